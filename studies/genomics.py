"""Does shape tell the genomic cluster of masks that no network had seen? The folds of studies.crossval, put together.

`python -m studies.genomics measure` writes crossval_shape.csv and crossval_radiogenomics.json in metrics: what
the stage radiogenomics writes of 13 test patients, of all patients, each predicted by the fold that had it in its test.
`python -m studies.genomics table` writes the tables of docs/radiogenomics.md from that file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from brainseg.data import slices
from brainseg.data.raw import TREE
from brainseg.errors import DataError
from brainseg.files import atomic_path, write_csv, write_json
from brainseg.model.catalogue import ENSEMBLE
from brainseg.params import load_section, load_seed
from brainseg.radiogenomics.cohort import (
    RadiogenomicsParams,
    radiogenomics,
    read_clinical,
    sentences,
    shape_table,
    with_clusters,
)
from brainseg.radiogenomics.published import sentence, verdicts
from brainseg.report.genomics import AGREEMENT_COLUMNS, COLUMNS, agreement_rows, area_sentence, association_rows
from brainseg.report.headline import markdown
from studies.command import run_app
from studies.crossval import RESULTS
from studies.fold_results import predictions, with_masks

PAGE = Path("docs/radiogenomics.md")
START, END = "<!-- tables -->\n", "<!-- /tables -->\n"
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def measure(
    raw: Annotated[Path, typer.Option(help="The raw tree, for its data.csv.")] = Path("data/raw"),
    data: Annotated[Path, typer.Option(help="Folder of slice sets, for the manual masks.")] = Path("data/clahe"),
    params: Annotated[Path, typer.Option(help="params.yaml.")] = Path("params.yaml"),
) -> None:
    """Measure the masks of all folds and test them against the clusters."""
    settings, seed = load_section(params, "radiogenomics", RadiogenomicsParams), load_seed(params)
    clinical = read_clinical(raw / TREE / "data.csv")
    found = (one for name in with_masks() for one in predictions(name, ENSEMBLE))
    predicted = shape_table(((patient, said.mask, said.slices) for patient, said in found), settings)
    if predicted["patient"].duplicated().any():
        raise DataError("a patient is in the test of two folds; all folds must come from one number of folds.")
    known = ((path.stem, slices.load(path)) for path in sorted(data.glob("*.npz")))
    manual = shape_table(((patient, truth.masks, truth.slices) for patient, truth in known), settings)
    results = radiogenomics(manual, predicted, clinical, settings, seed)
    write_csv(RESULTS / "crossval_shape.csv", with_clusters(predicted, clinical).sort_values("patient"))
    write_json(RESULTS / "crossval_radiogenomics.json", results)
    typer.echo("\n".join(sentences(results)))


@app.command()
def table() -> None:
    """Write the tables of docs/radiogenomics.md."""
    results = json.loads((RESULTS / "crossval_radiogenomics.json").read_text(encoding="utf-8"))
    text = PAGE.read_text(encoding="utf-8")
    head, rest = text.split(START)
    with atomic_path(PAGE) as temporary:
        temporary.write_text(head + START + tables(results) + END + rest.split(END)[1], encoding="utf-8")


def tables(results: dict[str, Any]) -> str:
    """The content of crossval_radiogenomics.json as Markdown."""
    claims = "\n".join(
        f"- {sentence(manual)}; predicted masks: {sentence(predicted).split(', ', 1)[1]}."
        for manual, predicted in zip(
            *(verdicts(results[kind]["associations"]) for kind in ("manual", "predicted")), strict=True
        )
    )
    parts = [
        claims + f"\n- {area_sentence(results)}\n",
        markdown(COLUMNS, association_rows(results)),
        markdown(AGREEMENT_COLUMNS, agreement_rows(results)),
    ]
    return "\n".join(parts)


if __name__ == "__main__":
    run_app(app)
