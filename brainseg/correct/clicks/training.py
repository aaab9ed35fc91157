"""Trains the network of clicks: deterministic for a seed, and continued after a kill from the last whole epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from brainseg.correct.clicks.rehearsal import rehearse
from brainseg.data import slices
from brainseg.data.slices import Bool
from brainseg.errors import DataError, TrainingError
from brainseg.model import checkpoint
from brainseg.model.augment import AugmentParams, augment
from brainseg.model.losses import dice_bce
from brainseg.params import Params
from brainseg.preprocess.inputs import InputParams, network_input, network_target
from brainseg.progress import progress

Half = npt.NDArray[np.float16]


class ClickTrainParams(Params):
    """How the network of clicks learns.

    Attributes:
        epochs: passes over the patients.
        rehearsals: masks that are spoilt of each patient in an epoch.
        slices: of each of them that are learnt from, that of the click among them.
        batch_size: slices per optimiser step.
        lr: peak learning rate of the one-cycle schedule.
        weight_decay: of AdamW.
        ema_decay: decay per step of the averaged weights, which are kept.
        dice_weight: share of Dice in the loss, the rest is cross-entropy.
        augment: strengths.
    """

    epochs: int = Field(ge=1)
    rehearsals: int = Field(ge=1)
    slices: int = Field(ge=1)
    batch_size: int = Field(ge=2)
    lr: float = Field(gt=0, le=1)
    weight_decay: float = Field(ge=0, lt=1)
    ema_decay: float = Field(ge=0, lt=1)
    dice_weight: float = Field(ge=0, le=1)
    augment: AugmentParams


@dataclass(frozen=True)
class Head:
    """One training patient on the network's grid: images float16 [n, 3, s, s], truth float16 [n, s, s] in 0..1."""

    images: Half
    truth: Half


def gather(folder: Path, patients: Sequence[str], params: InputParams) -> list[Head]:
    """Read the slice sets of the patients that are learnt from; whole stacks, since errors have three axes.

    Raises:
        DataError: one is missing or damaged, or there is none.
    """
    if not patients:
        raise DataError("there is no training patient; give the split some.")
    heads = []
    for patient in progress(patients, "reading"):
        whole = slices.load(folder / f"{patient}.npz")
        every = np.ones(len(whole), bool)
        images, truth = network_input(whole, params), network_target(whole, params, every)
        heads.append(Head(images.astype(np.float16), truth.astype(np.float16)))
    return heads


def train(
    network: nn.Module,
    heads: Sequence[Head],
    params: ClickTrainParams,
    seed: int,
    checkpoints: Path,
    tell: Callable[[int, float], None] = lambda epoch, loss: None,
) -> tuple[dict[str, Tensor], list[float]]:
    """Train a network that `from_segmentation` made.

    Args:
        network: changed in place.
        heads: what `gather` read.
        params: how.
        seed: every draw of an epoch comes from it and from the epoch's number.
        checkpoints: folder for the state of an unfinished run; other runs' states in it are removed.
        tell: is called with each epoch and its loss.

    Returns:
        The averaged weights of the last epoch, and the loss of each.

    Raises:
        TrainingError: the loss is not finite.
    """
    first = {key: value.clone() for key, value in network.state_dict().items()}
    parts = [seed, params.model_dump(), torch.__version__, torch.get_num_threads()]
    arrays = [array for head in heads for array in (head.images, head.truth)]
    weights = [value.numpy() for value in first.values()]
    path = checkpoints / f"{checkpoint.fingerprint(*parts, *arrays, *weights)}.pt"
    checkpoint.discard_others(checkpoints, keep=path)
    optimizer = torch.optim.AdamW(network.parameters(), lr=params.lr, weight_decay=params.weight_decay, fused=True)
    each = sum(min(params.slices, len(head.images)) for head in heads) * params.rehearsals
    total = params.epochs * -(-each // params.batch_size)  # a rehearsal near an end has fewer
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, params.lr, total_steps=total)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(params.ema_decay), use_buffers=True)
    changing: dict[str, Any] = {
        "network": network, "average": average, "optimizer": optimizer, "schedule": schedule
    }  # fmt: skip
    losses: list[float] = []
    if kept := checkpoint.read(path):
        losses = kept.pop("losses")
        for name, part in changing.items():
            part.load_state_dict(kept[name])
    while len(losses) < params.epochs:
        losses.append(_epoch(network, average, optimizer, schedule, heads, params, seed, len(losses) + 1))
        checkpoint.write(path, {name: part.state_dict() for name, part in changing.items()} | {"losses": losses})
        tell(len(losses), losses[-1])
    return dict(average.module.state_dict()), losses


def _epoch(
    network: nn.Module,
    average: AveragedModel,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.OneCycleLR,
    heads: Sequence[Head],
    params: ClickTrainParams,
    seed: int,
    epoch: int,
) -> float:
    """One pass over fresh rehearsals; the mean loss."""
    rng = np.random.default_rng([seed, epoch])
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    torch.manual_seed(int(rng.integers(2**62)))  # layers that draw by themselves
    samples, targets = lesson(heads, params, rng)
    network.train()
    total, order = 0.0, rng.permutation(len(samples))
    batches = [
        part for part in np.split(order, range(params.batch_size, len(order), params.batch_size)) if len(part) > 1
    ]
    for batch in progress(batches, f"epoch {epoch}"):
        inputs, target = varied(torch.from_numpy(samples[batch]), torch.from_numpy(targets[batch]), params, generator)
        loss = dice_bce(network(inputs.contiguous(memory_format=torch.channels_last)), target, params.dice_weight)
        value = loss.item()
        if not math.isfinite(value):
            raise TrainingError(f"the loss became {value} in epoch {epoch}; lower the learning rate and start again.")
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        average.update_parameters(network)
        total += value * len(batch)
    return total / sum(map(len, batches))


def lesson(heads: Sequence[Head], params: ClickTrainParams, rng: np.random.Generator) -> tuple[Half, Half]:
    """Rehearsals of all patients.

    Returns:
        float16 [k, CHANNELS, s, s], what the network sees, and [k, s, s], what it shall say.
    """
    found = [part for head in heads for _ in range(params.rehearsals) for part in _rehearsals(head, params, rng)]
    if not found:
        raise DataError("no training patient has a tumour to learn from; give the split others.")
    return np.concatenate([seen for seen, _ in found]), np.concatenate([truth for _, truth in found])


def _rehearsals(head: Head, params: ClickTrainParams, rng: np.random.Generator) -> Iterator[tuple[Half, Half]]:
    truth: Bool = head.truth >= 0.5
    found = rehearse(truth, head.images.astype(np.float32), rng)
    if found is None:
        return
    clicked = found.maps.max((1, 2, 3)).argmax()
    others = np.delete(np.arange(len(found.chosen)), clicked)
    kept = np.append(rng.permutation(others)[: params.slices - 1], clicked)
    places = found.chosen[kept]
    seen = np.concatenate([head.images[places], found.marked[kept, None], found.maps[kept]], 1, dtype=np.float16)
    yield seen, head.truth[places] if found.wanted is None else found.wanted[kept].astype(np.float16)


def varied(
    samples: Tensor, targets: Tensor, params: ClickTrainParams, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Flip, turn, scale and shift all channels alike, and change the sequences' tones.

    Args:
        samples: [b, CHANNELS, s, s].
        targets: [b, s, s].
        params: with the strengths.
        generator: of every draw.

    Returns:
        float32 [b, CHANNELS, s, s] and [b, 1, s, s].
    """
    strengths = params.augment
    n = len(samples)
    draw = torch.rand(n, 5, generator=generator) * 2 - 1
    angle, factor = (
        draw[:, 0] * math.radians(strengths.rotation_deg),
        torch.exp(draw[:, 1] * math.log1p(strengths.scale)),
    )
    mirror = torch.where(draw[:, 2] < 2 * strengths.flip - 1, -1.0, 1.0)
    cos, sin, shift = torch.cos(angle) / factor, torch.sin(angle) / factor, draw[:, 3:] * 2 * strengths.shift
    rows = torch.stack([cos * mirror, -sin, shift[:, 0]], 1), torch.stack([sin * mirror, cos, shift[:, 1]], 1)
    both = torch.cat([samples, targets[:, None]], 1).float()
    grid = F.affine_grid(torch.stack(rows, 1), list(both.shape), align_corners=False)
    both = F.grid_sample(both, grid, align_corners=False)
    still = strengths.model_copy(update={"rotation_deg": 0.0, "scale": 0.0, "shift": 0.0, "flip": 0.0})
    images, target = augment(both[:, :3], both[:, -1:], still, generator)
    marked = (both[:, 3:4] >= 0.5).float()
    return torch.cat([images, marked, both[:, 4:-1]], 1), target


def finish(checkpoints: Path) -> None:
    """Remove the checkpoints once the model is safely written."""
    checkpoint.discard_others(checkpoints, keep=checkpoints / "none")
