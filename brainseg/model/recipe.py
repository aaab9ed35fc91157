"""The parameters of training: the section `train`, which all networks share, and the section of each network."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from brainseg.model.architecture import NetworkParams
from brainseg.model.augment import AugmentParams
from brainseg.preprocess.inputs import InputParams


class TrainParams(InputParams):
    """Section `train` of params.yaml: what all networks share.

    Attributes:
        device: `auto` takes CUDA where there is one.
        devices: processes on each node, a device each.
        nodes: machines; more than one are started by SLURM or torchrun.
        batch_size: slices per optimiser step, of all processes together.
        weight_decay: weight decay of AdamW.
        dice_weight: share of Dice in the loss, the rest is cross-entropy.
        ema_decay: decay per step of the averaged weights, which are validated and kept; 0 averages nothing.
        grad_clip: largest gradient norm.
        keep: which epoch's averaged weights are kept: the `last`, or the `best` on the validation patients.
        patience: epochs without a better validation Dice before training stops, where the best is kept.
        replicate: number of the repetition; another one draws initial weights, order and augmentation anew on
            the same split.
        augment: strengths.
    """

    device: Literal["auto", "cpu", "cuda"]
    devices: int = Field(ge=1, le=64)
    nodes: int = Field(ge=1, le=1024)
    batch_size: int = Field(ge=1, le=1024)
    weight_decay: float = Field(ge=0, lt=1)
    dice_weight: float = Field(ge=0, le=1)
    ema_decay: float = Field(ge=0, lt=1)
    grad_clip: float = Field(gt=0)
    keep: Literal["last", "best"]
    patience: int = Field(ge=1)
    replicate: int = Field(ge=0)
    augment: AugmentParams

    @property
    def processes(self) -> int:
        """Of all nodes together."""
        return self.devices * self.nodes

    @property
    def inputs(self) -> InputParams:
        """The network's grid alone, as a model file keeps it."""
        return InputParams(**self.model_dump(include=set(InputParams.model_fields)))


class NetworkTrainParams(NetworkParams):
    """The section of one network, under its name: what is built, and how long and fast it learns.

    Attributes:
        epochs: passes over the training slices; 0 keeps the initial weights.
        lr: peak learning rate of the one-cycle schedule (Smith & Topin 2018).
    """

    epochs: int = Field(ge=0, le=10000)
    lr: float = Field(gt=0, le=1)

    @property
    def network(self) -> NetworkParams:
        """What is built alone, as a model file keeps it."""
        return NetworkParams(**self.model_dump(include=set(NetworkParams.model_fields)))
