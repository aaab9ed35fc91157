"""Pictures of the best, the median and the worst test patient: FLAIR, outline of truth and prediction."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from brainseg.data.slices import FLAIR, U8, Bool, SliceSet
from brainseg.files import atomic_folder
from brainseg.model.catalogue import CATALOGUE, TRUTH_COLOUR
from brainseg.report.pictures import white_of, window_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEAKY_COLOUR = "#8B0000"
RANKS = ("best", "median", "worst")

_PANEL_INCHES = 2.2
_DPI = 110


def rank_patients(per_patient: pd.DataFrame) -> dict[str, str]:
    """Name the best, median and worst patient by Dice, averaged over the models given.

    Of an even number the better one in the middle is the median; with fewer than three patients
    one patient takes several ranks. Equals stand in the order of their names.

    Args:
        per_patient: columns model, patient, dice at least; a row per model and patient.

    Returns:
        rank of `RANKS` -> patient.
    """
    means = per_patient.groupby("patient", sort=True)["dice"].mean()
    order = means.sort_values(ascending=False, kind="stable").index.tolist()
    return {"best": order[0], "median": order[(len(order) - 1) // 2], "worst": order[-1]}


def choose_slices(truth: Bool, predictions: Mapping[str, Bool], count: int) -> list[int]:
    """Positions of up to `count` slices worth seeing, rising.

    The slice with the largest tumour, and others evenly spread over those on which the truth or a
    model has tumour; if there is none, the middle slice.

    Args:
        truth: bool [n, height, width].
        predictions: model -> bool [n, height, width].
        count: at least 1.
    """
    anyone = np.logical_or.reduce([truth, *predictions.values()])
    drawn = np.flatnonzero(anyone.any(axis=(1, 2)))
    if not len(drawn):
        return [len(truth) // 2]
    area = truth if truth.any() else anyone
    largest = int(area.sum(axis=(1, 2)).argmax())
    others = drawn[drawn != largest]
    spread = np.linspace(0, len(others) - 1, min(count - 1, len(others))).round().astype(int)
    return sorted([largest, *others[spread].tolist()])


def write_overlays(
    folder: Path,
    truths: Mapping[str, SliceSet],
    predictions: Mapping[str, Mapping[str, Bool]],
    per_patient: pd.DataFrame,
    slices: int,
    leaky: bool = False,
) -> list[Path]:
    """Write `folder` with best.png, median.png and worst.png; the same input gives the same bytes.

    A row per model, a column per slice; the last model, which is the ensemble, ranks the patients. With fewer than
    three patients pictures repeat, so that the names can be relied on.

    Args:
        folder: new, or empty.
        truths: patient -> slice set.
        predictions: model -> patient -> bool [n, height, width].
        per_patient: columns model, patient, dice at least (see `tables.per_patient`).
        slices: at most this many columns.
        leaky: the split was by slice; said loudly in each title.

    Returns:
        The three files.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    dice = per_patient.set_index(["model", "patient"])["dice"].to_dict()
    with matplotlib.rc_context(), atomic_folder(folder) as temporary:
        matplotlib.rcdefaults()  # not the user's style: the bytes would depend on it
        shipped = per_patient[per_patient["model"] == [*predictions][-1]]
        for rank, patient in rank_patients(shipped).items():
            masks = {model: of_patient[patient] for model, of_patient in predictions.items()}
            scores = {model: dice[model, patient] for model in masks}
            title = f"{rank} test patient: {patient}" + ("\nLEAKY SPLIT BY SLICE" if leaky else "")
            figure = _draw(truths[patient], masks, scores, slices, title, leaky)
            # without Software, which names matplotlib's version
            FigureCanvasAgg(figure).print_png(str(temporary / f"{rank}.png"), metadata={"Software": None})
    return [folder / f"{rank}.png" for rank in RANKS]


def _draw(
    truth: SliceSet,
    predictions: Mapping[str, Bool],
    scores: Mapping[str, float],
    count: int,
    title: str,
    leaky: bool,
) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    chosen = choose_slices(truth.masks, predictions, count)
    rows, columns = window_of(truth.brain, margin=0)
    shape = (len(predictions), len(chosen))
    width = max(_PANEL_INCHES * shape[1], 4.5)  # room for the title over few slices
    figure = Figure((width, _PANEL_INCHES * shape[0] + 0.9), dpi=_DPI, layout="constrained")
    axes = figure.subplots(*shape, squeeze=False)
    flair = truth.images[..., FLAIR]
    white = white_of(flair)
    for row, (model, masks) in zip(axes, predictions.items(), strict=True):
        row[0].set_ylabel(f"{CATALOGUE[model].label}\nDice {scores[model]:.3f}")
        for panel, index in zip(row, chosen, strict=True):
            window = (index, rows, columns)
            outlines = {TRUTH_COLOUR: truth.masks[window], CATALOGUE[model].colour: masks[window]}
            _draw_panel(panel, flair[window], outlines, white)
    for panel, index in zip(axes[0], chosen, strict=True):
        panel.set_title(f"slice {truth.slices[index]}", fontsize=9)
    figure.suptitle(title, fontsize=10, color=LEAKY_COLOUR if leaky else "black", fontweight="bold")
    colours = {"truth": TRUTH_COLOUR} | {CATALOGUE[model].label: CATALOGUE[model].colour for model in predictions}
    lines = [
        Line2D([], [], color=colour, linestyle="--" if index else "-", label=label)
        for index, (label, colour) in enumerate(colours.items())
    ]
    figure.legend(
        handles=lines, loc="outside lower center", ncols=len(lines), fontsize=9,
        facecolor="#444444", labelcolor="white",  # the truth's yellow cannot be seen on white
    )  # fmt: skip
    return figure


def _draw_panel(panel: Axes, flair: U8, outlines: Mapping[str, Bool], white: float) -> None:
    panel.imshow(flair, cmap="gray", vmin=0, vmax=white, interpolation="nearest")
    for (colour, mask), style in zip(outlines.items(), ("-", "--"), strict=True):
        if mask.any():
            # padded, so that an outline closes along the window's border
            x, y = (np.arange(-1, size + 1) for size in reversed(mask.shape))
            panel.contour(x, y, np.pad(mask, 1), levels=[0.5], colors=colour, linestyles=style, linewidths=1.2)
    panel.set(xticks=[], yticks=[], xlim=(-0.5, flair.shape[1] - 0.5), ylim=(flair.shape[0] - 0.5, -0.5))
