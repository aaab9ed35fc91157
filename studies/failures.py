"""`python -m studies.failures`: what kind of error each validation patient's mask has, worst patient first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import typer
from scipy import ndimage

from brainseg.data.slices import Bool
from brainseg.data.splits import read_split
from brainseg.evaluation.overlap import overlap
from brainseg.files import write_csv
from brainseg.inference.models import load_models
from studies.command import run_app
from studies.patients import segmented

EDGE_PX = 2
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    data: Path = Path("data/clahe"),
    split: Path = Path("splits/split.csv"),
    models: Path = Path("models"),
    out: Path = Path("studies/results/failures.csv"),
) -> None:
    """Write a row per validation patient, of the ensemble with its post-processing."""
    loaded = load_models(models, device="cpu", runtime="torch")
    rows = []
    for patient, truth, mask in segmented(loaded, data, read_split(split), "val"):
        alone = all((truth.images[..., c] == truth.images[..., 1]).all() for c in (0, 2))
        rows.append({"patient": patient, "flair_only": alone} | errors(truth.masks, mask))
    table = pd.DataFrame(rows).sort_values("dice", ignore_index=True)
    write_csv(out, table)
    typer.echo(table.to_string(index=False))


def errors(truth: Bool, prediction: Bool) -> dict[str, float]:
    """Overlap, and where the wrong pixels are.

    Args:
        truth: bool [n, height, width] with some tumour.
        prediction: bool of the same shape.

    Returns:
        dice, precision, recall; tumour_px; and shares of all wrong pixels: `edge` within 2 px of the truth's outline
        in a slice with tumour, `missed` and `added` farther from it in slices where both have tumour,
        `missed_slices` in slices where the prediction has none, `added_slices` in slices where the truth has none.
    """
    found = overlap(truth, prediction)
    wrong = truth ^ prediction
    has, says = truth.any((1, 2)), prediction.any((1, 2))
    edge = np.zeros_like(truth)
    for i in np.flatnonzero(has & says):
        distance = ndimage.distance_transform_edt(truth[i]) + ndimage.distance_transform_edt(~truth[i])
        edge[i] = distance <= EDGE_PX
    far, total = wrong & ~edge, max(int(wrong.sum()), 1)
    shares = {
        "edge": (wrong & edge).sum(),
        "missed": (far & truth)[has & says].sum(),
        "added": (far & prediction)[has & says].sum(),
        "missed_slices": wrong[has & ~says].sum(),
        "added_slices": wrong[says & ~has].sum(),
    }
    figures = {"dice": found.dice, "precision": found.precision, "recall": found.recall, "tumour_px": int(truth.sum())}
    return figures | {name: round(float(count) / total, 3) for name, count in shares.items()}


if __name__ == "__main__":
    run_app(app)
