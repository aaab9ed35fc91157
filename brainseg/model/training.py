"""The training loop: deterministic for a seed, resumable after a kill with the same bytes."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from brainseg.errors import TrainingError
from brainseg.evaluation.overlap import overlap
from brainseg.model import checkpoint
from brainseg.model.augment import augment
from brainseg.model.dataset import TrainingData
from brainseg.model.forward import grid_probability
from brainseg.model.losses import dice_bce
from brainseg.model.networks import Probabilities
from brainseg.model.processes import Share, is_first
from brainseg.model.recipe import NetworkTrainParams, TrainParams
from brainseg.model.state import TrainingState, start
from brainseg.preprocess.inputs import to_slice_grid
from brainseg.progress import progress


@dataclass(frozen=True)
class Trained:
    """What training gives: weights of the epoch that is kept, and how it went.

    Attributes:
        state: averaged weights of the epoch that is kept.
        history: one row per epoch: epoch, lr, train_loss, val_dice.
        kept_row: the row of that epoch.
        scores: its whole-volume Dice by validation patient, at a threshold of 0.5.
    """

    state: dict[str, Tensor]
    history: list[dict[str, float]]
    kept_row: dict[str, float]
    scores: dict[str, float]


class Reporter:
    """What a training tells while it goes on; this one keeps it to itself."""

    def resumed(self, epoch: int) -> None:
        """The training was interrupted and continues after this epoch."""

    def epoch(self, history: list[dict[str, float]]) -> None:
        """An epoch is over and its state is on the disk; a row of each, the last one's last."""


def train(
    architecture: str,
    network_params: NetworkTrainParams,
    train_params: TrainParams,
    data: TrainingData,
    seed: int,
    checkpoints: Path,
    reporter: Reporter | None = None,
) -> Trained:
    """Train one network and keep the last epoch, or the one with the best whole-volume validation Dice.

    Every random draw of an epoch comes from (seed, replicate, epoch), so a run that was killed continues
    from its last whole epoch and ends with the same bytes as one that never was.

    Args:
        architecture: which network.
        network_params: its own section of params.yaml.
        train_params: the section `train`, which all networks share.
        data: training slices and validation volumes; without the latter the last epoch is kept anyway.
        seed: of every draw.
        checkpoints: folder for the state of an unfinished run; emptied at the end by `finish`.
        reporter: is told what happens, as it happens.

    Raises:
        TrainingError: the loss is not finite, memory ran out, or a batch is too small for batch norm.
    """
    reporter = reporter or Reporter()
    _deterministic()
    if train_params.replicate:
        seed = _mix(seed, train_params.replicate)
    torch.manual_seed(seed)
    path = _checkpoint_path(architecture, network_params, train_params, data, seed, checkpoints)
    steps = len(_batches(torch.arange(len(data.images)), train_params))
    state = start(architecture, network_params, train_params, steps)
    share = Share(state.fabric)
    if snapshot := checkpoint.read(path):
        state.restore(snapshot)
        reporter.resumed(len(state.history))
    images, masks = torch.from_numpy(data.images), torch.from_numpy(data.masks)
    images, masks = state.fabric.to_device((images, masks))
    try:
        while not _finished(state, network_params.epochs, train_params.patience):
            epoch = len(state.history) + 1
            loss = _epoch(state, share, images, masks, train_params, seed, epoch) if network_params.epochs else None
            _validate(state, share, data, epoch if network_params.epochs else 0, loss)
            if share.rank == 0:
                checkpoint.write(path, state.snapshot())
            share.wait()  # so that no process is an epoch ahead of what a killed run goes on from
            reporter.epoch(state.history)
    except (torch.cuda.OutOfMemoryError, MemoryError) as error:
        raise _out_of_memory(train_params) from error
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise TrainingError(
            "a batch of a single slice is too small for batch norm at train.input_size "
            f"{train_params.input_size}: change train.batch_size ({train_params.batch_size}; {len(data.images)} "
            "slices to train on) or raise the size."
        ) from None
    except RuntimeError as error:
        if "can't allocate memory" in str(error):  # the CPU allocator has no class of its own
            raise _out_of_memory(train_params) from error
        raise
    return Trained(state.kept, state.history, state.kept_row, state.kept_scores)


def finish(checkpoints: Path) -> None:
    """Remove the checkpoints once the model is safely written."""
    checkpoint.discard_others(checkpoints, keep=checkpoints / "none")


def _deterministic() -> None:
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
    # a help in debugging, which costs a tenth of a step
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False


def _checkpoint_path(
    architecture: str,
    network_params: NetworkTrainParams,
    train_params: TrainParams,
    data: TrainingData,
    seed: int,
    folder: Path,
) -> Path:
    """One name per run: other data, parameters, seed, threads or torch never meet in a checkpoint."""
    truths = [volume.truth for volume in data.validation.values()]
    environment = [seed, architecture, torch.__version__, torch.get_num_threads()]
    parts = [network_params.model_dump(), train_params.model_dump(), environment, data.images, data.masks, *truths]
    path = folder / f"{checkpoint.fingerprint(*parts)}.pt"
    if is_first():
        checkpoint.discard_others(folder, keep=path)
    return path


def _finished(state: TrainingState, epochs: int, patience: int) -> bool:
    if not state.history:
        return False
    last = state.history[-1]["epoch"]
    return last >= epochs or (state.keep_best and last - state.kept_row["epoch"] >= patience)


def _batches(order: Tensor, train_params: TrainParams) -> list[Tensor]:
    """Divide into batches; what is left over joins the batch before where a process would have fewer than two slices.

    Batch norm needs two.
    """
    batches, least = list(order.split(train_params.batch_size)), 2 * train_params.processes
    if len(batches) > 1 and len(batches[-1]) < least <= train_params.batch_size:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def _epoch(
    state: TrainingState,
    share: Share,
    images: Tensor,
    masks: Tensor,
    train_params: TrainParams,
    seed: int,
    epoch: int,
) -> float:
    """One pass over the training slices; returns the mean loss."""
    generator = torch.Generator().manual_seed(_mix(seed, epoch))
    torch.manual_seed(_mix(seed, epoch, *([share.rank] if share.rank else [])))  # layers that draw by themselves
    network, optimizer = state.wrapped
    network.train()
    total = 0.0
    batches = _batches(torch.randperm(len(images), generator=generator), train_params)
    for batch in progress(batches, f"epoch {epoch}"):
        rows = share.rows(len(batch))
        mine = batch[rows].to(images.device)
        image, mask = augment(
            images[mine].float(), masks[mine, None].float(), train_params.augment, generator, rows, len(batch)
        )
        loss = dice_bce(network(image.contiguous(memory_format=torch.channels_last)), mask, train_params.dice_weight)
        loss = share.weigh(loss, len(mine), len(batch))
        value = share.mean(loss).item()
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss became {value} in epoch {epoch}; lower the learning rate (unet.lr or unetpp.lr) "
                "or train.grad_clip, and start again."
            )
        optimizer.zero_grad()
        state.fabric.backward(loss)
        state.fabric.clip_gradients(network, optimizer, max_norm=train_params.grad_clip, error_if_nonfinite=False)
        optimizer.step()
        assert state.schedule is not None
        state.schedule.step()
        share.agree(state.network)
        state.average.update_parameters(state.network)
        total += value * len(batch)
    return total / len(images)


def _validate(state: TrainingState, share: Share, data: TrainingData, epoch: int, loss: float | None) -> None:
    """Score the averaged weights on whole validation volumes, and keep them if that is asked for."""
    network = state.average.module.eval()
    probabilities = Probabilities(network)
    scores = {}
    for patient in list(data.validation)[share.rank :: share.world]:
        volume = data.validation[patient]
        grid = grid_probability(probabilities, volume.inputs, tta=False)
        prediction = to_slice_grid(grid, volume.box, *volume.truth.shape[1:]) >= 0.5
        scores[patient] = overlap(volume.truth, prediction).dice
    found = share.gather(scores)
    scores = {patient: found[patient] for patient in data.validation}
    row = {"epoch": epoch, "lr": state.optimizer.param_groups[0]["lr"]}
    row |= {"val_dice": float(np.mean(list(scores.values())))} if scores else {}
    state.history.append(row | ({"train_loss": loss} if loss is not None else {}))
    if state.kept_row["epoch"] == epoch:
        state.kept = {key: value.detach().cpu().clone() for key, value in network.state_dict().items()}
        state.kept_scores = scores


def _mix(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)


def _out_of_memory(train_params: TrainParams) -> TrainingError:
    return TrainingError(
        f"memory ran out while training with train.batch_size {train_params.batch_size} and train.input_size "
        f"{train_params.input_size}; lower one of them."
    )
