"""Stage 9: one honest table, and a page that shows what happened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from brainseg.data import slices
from brainseg.data.on_disk import OnDisk, each
from brainseg.data.slices import SliceSet
from brainseg.data.splits import SplitParams, read_split
from brainseg.errors import DataError
from brainseg.evaluation.statistics import EvaluateParams
from brainseg.files import atomic_path, require_free, write_csv, write_json
from brainseg.inference.predictor import Prediction, load_prediction
from brainseg.model.catalogue import MODELS
from brainseg.model.dataset import select, split_slices
from brainseg.params import load_section, load_seed
from brainseg.report.headline import summary_markdown
from brainseg.report.montage import examples
from brainseg.report.overlays import write_overlays
from brainseg.report.page import write_page
from brainseg.report.page_inputs import read_sources
from brainseg.report.scores import measure
from brainseg.report.text_table import format_table
from brainseg.terminal import say
from brainseg.trust.model import load_calibrations
from brainseg.trust.rows import read_rows
from brainseg.trust.worth import judged
from stages._command import LOG, PARAMS, ParamsFile, run_command
from stages.check import warn_of_change


def evaluate_models(
    data: Annotated[Path, typer.Argument(help="Folder of slice sets, for the truth and the pictures.")],
    split: Annotated[Path, typer.Argument(help="split.csv.")],
    predictions: Annotated[Path, typer.Argument(help="Folder from postprocess.")],
    metrics: Annotated[Path, typer.Argument(help="Folder of all metrics, those of earlier stages included.")],
    reports: Annotated[Path, typer.Argument(help="Folder for index.html and overlays/.")],
    raw: Annotated[Path, typer.Option(help="The raw tree, for pictures.")] = Path("data/raw"),
    stripped: Annotated[Path, typer.Option(help="Folder from skull_strip, for pictures.")] = Path("data/stripped"),
    params: ParamsFile = PARAMS,
) -> None:
    """Score every network and their ensemble on the test patients, print the table, and write the page.

    Per labelled slice and per whole volume, with bootstrap intervals by patient. A patient without a
    prediction, or a prediction without a patient, is an error. `evaluate.bootstrap` is the number of resamples.
    """
    settings, seed = load_section(params, "evaluate", EvaluateParams), load_seed(params)
    division = load_section(params, "split", SplitParams)
    require_free(reports / "overlays")
    wanted = split_slices(read_split(split), "test")
    truths = OnDisk(wanted, lambda p: select(slices.load(data / f"{p}.npz"), wanted[p]))
    found = {model: _read(predictions / model, truths) for model in MODELS}
    results = measure(truths, found, division, settings, seed)
    trust = judged(read_rows(metrics / "trust_features.csv"), load_calibrations(), seed, settings.bootstrap)
    sources = read_sources(metrics, params, LOG, results, trust)
    before_and_after = examples(sources.tables["patients"], raw, stripped, data)

    for name, table in results.tables.items():
        write_csv(metrics / f"{name}.csv", table)
    write_json(metrics / "paired.json", results.paired)
    write_json(metrics / "test.json", results.test)
    write_json(metrics / "trust.json", trust)
    with atomic_path(metrics / "summary.md") as temporary:
        text = summary_markdown(results.test, results.paired, phantom=sources.phantom)
        temporary.write_text(text, encoding="utf-8")
    masks = {model: each(of, lambda prediction: prediction.mask) for model, of in found.items()}
    per_patient = results.tables["per_patient"]
    write_overlays(reports / "overlays", truths, masks, per_patient, settings.overlays, division.leaky)
    write_page(reports / "index.html", sources, before_and_after, truths, found)
    say(format_table(json.loads((metrics / "test.json").read_text())))
    warn_of_change(params, raw)


def _read(folder: Path, truths: Mapping[str, SliceSet]) -> Mapping[str, Prediction]:
    def load(patient: str) -> Prediction:
        prediction = load_prediction(path := folder / f"{patient}.npz")
        if patient in truths and prediction.slices.tolist() != truths[patient].slices.tolist():
            raise DataError(f"{path} is of other slices than the split's test slices; run postprocess again.")
        return prediction

    return OnDisk(sorted(path.stem for path in folder.glob("*.npz")), load)


if __name__ == "__main__":
    run_command(evaluate_models)
