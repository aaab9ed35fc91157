"""The training loop: deterministic for a seed, resumable after a kill with the same bytes."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from brainseg.errors import TrainingError
from brainseg.evaluation.overlap import overlap
from brainseg.model import checkpoint
from brainseg.model.augment import AugmentParams, augment
from brainseg.model.dataset import TrainingData
from brainseg.model.forward import grid_probability
from brainseg.model.losses import dice_bce
from brainseg.model.networks import Architecture, NetworkParams, build_network, channels_last
from brainseg.preprocess.inputs import InputParams, to_slice_grid
from brainseg.progress import progress


class TrainParams(InputParams):
    """What both networks share.

    Attributes:
        device: `auto` takes CUDA where there is one.
        batch_size: slices per optimiser step.
        weight_decay: of AdamW.
        dice_weight: share of Dice in the loss, the rest is cross-entropy.
        ema_decay: per step, of the averaged weights that are validated and kept; 0 averages nothing.
        grad_clip: largest gradient norm.
        patience: epochs without a better validation Dice before training stops.
        augment: strengths.
    """

    device: Literal["auto", "cpu", "cuda"]
    batch_size: int = Field(ge=1, le=1024)
    weight_decay: float = Field(ge=0, lt=1)
    dice_weight: float = Field(ge=0, le=1)
    ema_decay: float = Field(ge=0, lt=1)
    grad_clip: float = Field(gt=0)
    patience: int = Field(ge=1)
    augment: AugmentParams

    @property
    def inputs(self) -> InputParams:
        """The network's grid alone, as a model file keeps it."""
        return InputParams(**self.model_dump(include=set(InputParams.model_fields)))


class RunParams(NetworkParams):
    """One network and how long and fast it learns.

    Attributes:
        epochs: passes over the training slices; 0 keeps the initial weights.
        lr: peak learning rate of the one-cycle schedule (Smith & Topin 2018).
    """

    epochs: int = Field(ge=0, le=10000)
    lr: float = Field(gt=0, le=1)


@dataclass
class Run:
    """The state of a run between two epochs; what a checkpoint holds.

    Attributes:
        steered: network and optimiser as Fabric wraps them for device and precision.
        history: one row per finished epoch: epoch, lr, train_loss, val_dice.
        best: averaged weights of the best epoch so far.
    """

    network: nn.Module
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.OneCycleLR | None
    fabric: Any
    steered: tuple[Any, Any]
    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)

    @property
    def best_row(self) -> dict[str, float]:
        """The row of the best epoch; the first of equals."""
        return max(self.history, key=lambda row: (row["val_dice"], -row["epoch"]))

    def state(self) -> dict[str, Any]:
        """Tensors and plain values; everything but what parameters and seed give."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict() if self.schedule else {},
            "precision": self.fabric.strategy.precision.state_dict(),
            "history": self.history,
            "best": self.best,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from `state`."""
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.schedule:
            self.schedule.load_state_dict(state["schedule"])
        self.fabric.strategy.precision.load_state_dict(state["precision"])
        self.history, self.best = state["history"], state["best"]


@dataclass(frozen=True)
class Trained:
    """What training gives: weights of the best epoch, and how it went."""

    state: dict[str, Tensor]
    history: list[dict[str, float]]
    best_row: dict[str, float]


def train(
    architecture: Architecture,
    run_params: RunParams,
    params: TrainParams,
    data: TrainingData,
    seed: int,
    checkpoints: Path,
    report: Callable[[dict[str, float]], None] = lambda row: None,
) -> Trained:
    """Train one network and keep the epoch with the best whole-volume validation Dice.

    Every random draw of an epoch comes from (seed, epoch), so a run that was killed continues from its
    last whole epoch and ends with the same bytes as one that never was.

    Args:
        architecture: which network.
        run_params: its section of params.yaml.
        params: the shared section.
        data: training slices and validation volumes.
        seed: of every draw.
        checkpoints: folder for the state of an unfinished run; emptied at the end by `finish`.
        report: called with each finished epoch's row.

    Raises:
        TrainingError: the loss is not finite, memory ran out, or a batch is too small for batch norm.
    """
    _deterministic()
    torch.manual_seed(seed)
    path = _checkpoint_path(architecture, run_params, params, data, seed, checkpoints)
    steps = math.ceil(len(data.images) / params.batch_size)
    run = _start(architecture, run_params, params, steps)
    if state := checkpoint.read(path):
        run.restore(state)
        report({"resumed_after_epoch": len(run.history)})
    images, masks = torch.from_numpy(data.images), torch.from_numpy(data.masks)
    images, masks = run.fabric.to_device((images, masks))
    try:
        while not _finished(run, run_params.epochs, params.patience):
            epoch = len(run.history) + 1
            loss = _epoch(run, images, masks, params, seed, epoch) if run_params.epochs else None
            _validate(run, data, epoch if run_params.epochs else 0, loss)
            checkpoint.write(path, run.state())
            report(run.history[-1])
    except (torch.cuda.OutOfMemoryError, MemoryError) as error:
        raise _out_of_memory(params) from error
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise TrainingError(
            f"a batch of a single slice is too small for batch norm at train.input_size {params.input_size}: change "
            f"train.batch_size ({params.batch_size}; {len(data.images)} slices to train on) or raise the size."
        ) from None
    except RuntimeError as error:
        if "can't allocate memory" in str(error):  # the CPU allocator has no class of its own
            raise _out_of_memory(params) from error
        raise
    return Trained(run.best, run.history, run.best_row)


def finish(checkpoints: Path) -> None:
    """Remove the checkpoints once the model is safely written."""
    checkpoint.discard_others(checkpoints, keep=checkpoints / "none")


def _deterministic() -> None:
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
    torch.backends.cudnn.benchmark = False


def _checkpoint_path(
    architecture: str, run_params: RunParams, params: TrainParams, data: TrainingData, seed: int, folder: Path
) -> Path:
    """One name per run: other data, parameters, seed, threads or torch never meet in a checkpoint."""
    truths = [volume.truth for volume in data.validation.values()]
    environment = [seed, architecture, torch.__version__, torch.get_num_threads()]
    parts = [run_params.model_dump(), params.model_dump(), environment, data.images, data.masks, *truths]
    path = folder / f"{checkpoint.fingerprint(*parts)}.pt"
    checkpoint.discard_others(folder, keep=path)
    return path


def _start(architecture: Architecture, run_params: RunParams, params: TrainParams, steps: int) -> Run:
    from lightning_fabric import Fabric

    accelerator = params.device if params.device != "auto" else ("cuda" if torch.cuda.is_available() else "cpu")
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise TrainingError("train.device is 'cuda' but torch sees no CUDA device; set it to auto or cpu.")
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = "32-true"
    if accelerator == "cuda":  # on most CPUs bfloat16 is emulated, and slower than float32
        precision = "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    fabric = Fabric(accelerator=accelerator, devices=1, precision=precision)
    network = channels_last(build_network(architecture, run_params).to(fabric.device))
    optimizer = torch.optim.AdamW(network.parameters(), lr=run_params.lr, weight_decay=params.weight_decay)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(params.ema_decay), use_buffers=True)
    schedule = None
    if run_params.epochs:
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, run_params.lr, total_steps=run_params.epochs * steps)
    return Run(network, average, optimizer, schedule, fabric, fabric.setup(network, optimizer))


def _finished(run: Run, epochs: int, patience: int) -> bool:
    if not run.history:
        return False
    last = run.history[-1]["epoch"]
    return last >= epochs or last - run.best_row["epoch"] >= patience


def _epoch(run: Run, images: Tensor, masks: Tensor, params: TrainParams, seed: int, epoch: int) -> float:
    """One pass over the training slices; returns the mean loss."""
    generator = torch.Generator().manual_seed(_mix(seed, epoch))
    torch.manual_seed(_mix(seed, epoch))  # layers that draw by themselves
    network, optimizer = run.steered
    network.train()
    total = 0.0
    batches = torch.randperm(len(images), generator=generator).split(params.batch_size)
    for batch in progress(batches, f"epoch {epoch}"):
        batch = batch.to(images.device)
        image, mask = augment(images[batch].float(), masks[batch, None].float(), params.augment, generator)
        loss = dice_bce(network(image.contiguous(memory_format=torch.channels_last)), mask, params.dice_weight)
        value = loss.item()
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss became {value} in epoch {epoch}; lower the learning rate (unet.lr or unetpp.lr) "
                "or train.grad_clip, and start again."
            )
        optimizer.zero_grad()
        run.fabric.backward(loss)
        run.fabric.clip_gradients(network, optimizer, max_norm=params.grad_clip, error_if_nonfinite=False)
        optimizer.step()
        assert run.schedule is not None
        run.schedule.step()
        run.average.update_parameters(run.network)
        total += value * len(batch)
    return total / len(images)


def _validate(run: Run, data: TrainingData, epoch: int, loss: float | None) -> None:
    """Score the averaged weights on whole validation volumes; keep them if they are the best."""
    network = run.average.module.eval()
    scores = []
    for volume in data.validation.values():
        grid = grid_probability(network, volume.inputs, tta=False)
        prediction = to_slice_grid(grid, volume.box, *volume.truth.shape[1:]) >= 0.5
        scores.append(overlap(volume.truth, prediction).dice)
    row = {"epoch": epoch, "lr": run.optimizer.param_groups[0]["lr"], "val_dice": float(np.mean(scores))}
    run.history.append(row | ({"train_loss": loss} if loss is not None else {}))
    if run.best_row["epoch"] == epoch:
        run.best = {key: value.detach().cpu().clone() for key, value in network.state_dict().items()}


def _mix(seed: int, epoch: int) -> int:
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> 1)


def _out_of_memory(params: TrainParams) -> TrainingError:
    return TrainingError(
        f"memory ran out while training with train.batch_size {params.batch_size} and train.input_size "
        f"{params.input_size}; lower one of them."
    )
