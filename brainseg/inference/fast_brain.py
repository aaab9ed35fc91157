"""deepbet's networks run by OpenVINO: two and a half times as fast, with some ten voxels of another opinion."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

import torch
from torch import nn

from brainseg.data.slices import U8, Bool
from brainseg.inference.openvino import compile_cached, import_openvino
from brainseg.preprocess.agreement import Stripper
from brainseg.preprocess.brain_deepbet import DeepbetStripper

_SIDES = {"bbox_model": 128, "model": 256}  # deepbet's two networks, and the side of the cube that each looks at


class OpenVinoDeepbet(DeepbetStripper):
    """deepbet for masks that only vote."""

    def __init__(self) -> None:
        super().__init__()
        for name, side in _SIDES.items():
            make = partial(_graph, getattr(self._networks, name), side)
            setattr(self._networks, name, compile_cached(f"deepbet-{version('deepbet')}-{name}", make))


@dataclass(frozen=True)
class BySequence:
    """One sequence by the method itself, as in training; the others, which only vote, by a faster version of it.

    Attributes:
        flair: the sequence whose mask is cut back.
        exact: for it.
        fast: for the others.
    """

    flair: U8
    exact: Stripper
    fast: Stripper

    def brain_mask(self, volume: U8) -> Bool:
        """See `Stripper`."""
        return (self.exact if volume is self.flair else self.fast).brain_mask(volume)


def _graph(network: nn.Module, side: int) -> Any:
    shape = [1, 1, side, side, side]
    return import_openvino().convert_model(network, example_input=torch.rand(shape), input=shape)
