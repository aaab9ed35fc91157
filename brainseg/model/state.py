"""The state of a training between two epochs: network, average, optimiser and schedule, and what they gave so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from brainseg.errors import TrainingError
from brainseg.model.networks import build_network, channels_last
from brainseg.model.recipe import NetworkTrainParams, TrainParams


@dataclass
class TrainingState:
    """All that changes from epoch to epoch; what a checkpoint holds.

    Attributes:
        wrapped: network and optimiser as Fabric wraps them for device and precision.
        keep_best: the best epoch on the validation patients is kept; else the last.
        history: one row per finished epoch: epoch, lr, train_loss and, with validation patients, val_dice.
        kept: averaged weights of the epoch that is kept, so far.
        kept_scores: its whole-volume Dice by validation patient.
    """

    network: nn.Module
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.OneCycleLR | None
    fabric: Any
    wrapped: tuple[Any, Any]
    keep_best: bool
    history: list[dict[str, float]] = field(default_factory=list)
    kept: dict[str, Tensor] = field(default_factory=dict)
    kept_scores: dict[str, float] = field(default_factory=dict)

    @property
    def kept_row(self) -> dict[str, float]:
        """The row of the epoch that is kept: the last, or of the best ones the first."""
        if not self.keep_best or "val_dice" not in self.history[-1]:
            return self.history[-1]
        return max(self.history, key=lambda row: (row["val_dice"], -row["epoch"]))

    def snapshot(self) -> dict[str, Any]:
        """Tensors and plain values; everything but what parameters and seed give."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict() if self.schedule else {},
            "precision": self.fabric.strategy.precision.state_dict(),
            "history": self.history,
            "kept": self.kept,
            "kept_scores": self.kept_scores,
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Continue from what `snapshot` gave."""
        self.network.load_state_dict(snapshot["network"])
        self.average.load_state_dict(snapshot["average"])
        self.optimizer.load_state_dict(snapshot["optimizer"])
        if self.schedule:
            self.schedule.load_state_dict(snapshot["schedule"])
        self.fabric.strategy.precision.load_state_dict(snapshot["precision"])
        self.history, self.kept, self.kept_scores = snapshot["history"], snapshot["kept"], snapshot["kept_scores"]


def start(
    architecture: str, network_params: NetworkTrainParams, train_params: TrainParams, steps: int
) -> TrainingState:
    """The state before the first epoch, on the device that `train_params` names.

    Args:
        architecture: which network.
        network_params: its own section of params.yaml.
        train_params: the section `train`, which all networks share.
        steps: optimiser steps of an epoch.

    Raises:
        TrainingError: CUDA is asked for and not there.
    """
    from lightning_fabric import Fabric

    accelerator = train_params.device
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise TrainingError("train.device is 'cuda' but torch sees no CUDA device; set it to auto or cpu.")
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = "32-true"
    if accelerator == "cuda":  # on most CPUs bfloat16 is emulated, and slower than float32
        precision = "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    several = train_params.processes > 1
    fabric = Fabric(
        accelerator=accelerator,
        devices=train_params.devices,
        num_nodes=train_params.nodes,
        strategy="ddp" if several else "auto",
        precision=precision,
    )
    if several:
        fabric.launch()
    network = channels_last(build_network(architecture, network_params, train_params.channels).to(fabric.device))
    if several and accelerator == "cuda":  # there is none for the CPU, where `processes.agree` averages
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
    optimizer = torch.optim.AdamW(
        network.parameters(),
        lr=network_params.lr,
        weight_decay=train_params.weight_decay,
        fused=accelerator == "cpu",  # on CUDA it would unscale gradients itself, after the clipping
    )
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(train_params.ema_decay), use_buffers=True)
    schedule, total = None, network_params.epochs * steps
    if total:
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, network_params.lr, total_steps=total)
    keep_best = train_params.keep == "best"
    return TrainingState(network, average, optimizer, schedule, fabric, fabric.setup(network, optimizer), keep_best)
