"""Answers a click by the network that was trained on clicks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from brainseg.compiled import compile_graph, sigmoid
from brainseg.connected import label
from brainseg.correct.answer import Answerer, Click, Prepared, require_fitting
from brainseg.correct.clicks.inputs import ClickInputs
from brainseg.correct.geodesic import GeodesicAnswerer
from brainseg.data.slices import Bool
from brainseg.errors import DataError, extra
from brainseg.files import sha256
from brainseg.inference.graphs import has_graph, read_graph
from brainseg.inference.openvino import compile_cached
from brainseg.inference.runtimes import FLOAT32
from brainseg.model.forward import Network
from brainseg.model.store import load_info
from brainseg.preprocess.inputs import InputParams, to_slice_grid
from brainseg.shipped import FOLDER, SUMS, damaged, listed

NAME = "clicks"
"""Of the model file, clicks.safetensors, whose network sees what `ClickInputs` gives."""
THRESHOLD = 0.5
TOUCH = 3
"""A change is of a click where it reaches within so many pixels of it."""


class NetworkAnswerer:
    """See `Answerer`; the click's slice and `REACH` neighbours are asked of the network.

    Args:
        network: probabilities float32 [b, 1, s, s] of what `ClickInputs` gives.
        params: the network's grid.
    """

    def __init__(self, network: Network, params: InputParams):
        self._network, self._params = network, params
        self._inputs: ClickInputs | None = None

    def answer(self, case: Prepared, mask: Bool, clicks: Sequence[Click]) -> Bool:
        """As `Answerer.answer`; changes that do not hang together with the click are not made.

        Where the network does not do what the click says, the geodesic distance answers.
        """
        require_fitting(case, mask, clicks)
        if self._inputs is None or self._inputs.stack is not case.stack:
            self._inputs = ClickInputs(case.stack, self._params)
        chosen, inputs = self._inputs(mask, clicks)
        grid = self._network(inputs)[:, 0]
        found = to_slice_grid(grid, self._inputs.box, *mask.shape[1:]) >= THRESHOLD
        out = mask.copy()
        part, click = out[chosen], clicks[-1]
        place = click.slice - int(chosen[0])
        if found[place, click.row, click.column] != click.tumour:
            return GeodesicAnswerer().answer(case, mask, clicks)
        part[of_click(found != part, click, place)] ^= True
        out[chosen] = part
        for each in clicks:
            out[each.slice, each.row, each.column] = each.tumour
        return out


def of_click(changed: Bool, click: Click, place: int) -> Bool:
    """What of a change hangs together with the click: bool [k, height, width] of the same.

    Args:
        changed: pixels that would change.
        click: the reason.
        place: of the click's slice among the k.
    """
    labels, _ = label(changed)
    rows = slice(max(0, click.row - TOUCH), click.row + TOUCH + 1)
    columns = slice(max(0, click.column - TOUCH), click.column + TOUCH + 1)
    touched = np.unique(labels[place, rows, columns])
    return np.isin(labels, touched[touched > 0])


def load_answerer(path: Path | None = None, precision: str = FLOAT32) -> NetworkAnswerer:
    """The shipped network of the clicks, or the one of a file.

    Args:
        path: of clicks.safetensors; None for the shipped one.
        precision: `float32` or `int8`.

    Raises:
        DataError: missing, damaged, or no network of clicks.
    """
    path = path or FOLDER / f"{NAME}.safetensors"
    info, digest = load_info(path), sha256(path)
    if info.name != NAME:
        raise DataError(f"{path} is the model {info.name}, expected one of clicks; give clicks.safetensors.")
    if listed(path.parent / SUMS).get(path.name, digest) != digest:
        raise damaged(path, path.parent / SUMS)
    if precision != FLOAT32 or has_graph(path, precision):
        logits = compile_graph(read_graph(path, digest, precision))
    else:
        logits = compile_cached(digest[:16], lambda: _exported(path))
    return NetworkAnswerer(lambda inputs: sigmoid(logits(inputs)), info.inputs)


def best_answerer() -> Answerer:
    """The shipped network of clicks; where the package has none, the geodesic answer."""
    path = FOLDER / f"{NAME}.safetensors"
    if not path.is_file():
        return GeodesicAnswerer()
    return load_answerer(path)


def _exported(path: Path) -> Any:
    with extra("torch", f"{path.name}, whose graph for OpenVINO has to be made once,"):
        from brainseg.correct.clicks.model import to_graph

        return to_graph(path)
