"""reports/index.html: one file that opens from disk, with nothing from the network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.io
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from brainseg.data.raw import institution
from brainseg.data.slices import SliceSet
from brainseg.evaluation.metrics import METRICS
from brainseg.files import atomic_path
from brainseg.inference.predictor import Prediction
from brainseg.model.catalogue import CATALOGUE, ENSEMBLE, MODELS, NETWORKS, TRUTH_COLOUR
from brainseg.radiogenomics import published
from brainseg.radiogenomics.cohort import sentences
from brainseg.report import genomics, headline, trust
from brainseg.report.figures import all_figures
from brainseg.report.montage import Example
from brainseg.report.page_inputs import Sources, changed_params
from brainseg.report.ranked import ranked
from brainseg.report.text_table import COLUMNS, few_warning, legend
from brainseg.report.viewer import viewers

FOLDER = Path(str(files("brainseg"))) / "report" / "page"


def write_page(
    path: Path,
    sources: Sources,
    examples: list[Example],
    truths: Mapping[str, SliceSet],
    predictions: Mapping[str, Mapping[str, Prediction]],
) -> None:
    """Write the page.

    Args:
        path: the .html file.
        sources: the run's metrics.
        examples: pictures of each institution.
        truths: test patient -> slice set.
        predictions: model -> test patient -> what it says.
    """
    patients = patient_rows(sources.tables["per_patient"])
    looked_at = viewers(truths, predictions, sources.tables["per_slice"], [row["patient"] for row in patients])
    environment = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined)
    text = environment.get_template("report.html").render(
        sources=sources,
        title=_title(sources),
        lead=headline.lead(sources.summaries["test"]),
        legend=legend(sources.summaries["test"][ENSEMBLE]),
        few=few_warning(sources.summaries["test"][ENSEMBLE]["volume"]["n"]),
        ranked=ranked(truths, predictions[ENSEMBLE], sources.tables["per_patient"]),
        warnings=headline.warnings(sources.leaky, sources.phantom),
        changed=changed_params(sources.params),
        columns=COLUMNS,
        results=headline.result_rows(sources.summaries["test"]),
        published=headline.published_rows(),
        paired=headline.paired_sentences(sources.summaries["paired"]),
        counts=_split_counts(sources),
        training=_training(sources),
        trust=trust.sentences(sources.summaries["trust"]),
        genomics=_genomics(sources.radiogenomics),
        examples=examples,
        patients=patients,
        models=CATALOGUE,
        ensemble=ENSEMBLE,
        metrics={name: metric for name, metric in METRICS.items() if metric.page},
        colours={"truth": TRUTH_COLOUR} | {name: entry.colour for name, entry in CATALOGUE.items()},
        viewers={patient: _script(content) for patient, content in looked_at.items()},
        figures={name: _script(_figure(figure)) for name, figure in all_figures(sources).items()},
        plotly=Markup(get_plotlyjs()),
        style=Markup((FOLDER / "report.css").read_text(encoding="utf-8")),
        program=Markup((FOLDER / "report.js").read_text(encoding="utf-8")),
    )
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def patient_rows(per_patient: pd.DataFrame) -> list[dict[str, Any]]:
    """A row per test patient, the worst by the ensemble's Dice first.

    Returns:
        patient, institution, tumour_px, the Dice of each model under its name, and the ensemble's metrics that the
        page shows.
    """
    dice = per_patient.pivot(index="patient", columns="model", values="dice")
    ensemble = per_patient[per_patient["model"] == ENSEMBLE].set_index("patient")
    rows = []
    for patient in sorted(dice.index, key=lambda name: (dice.loc[name, ENSEMBLE], name)):
        own = ensemble.loc[patient]
        rows.append(
            {"patient": patient, "institution": institution(patient), "tumour_px": int(own["tumour_px"])}
            | {name: float(dice.loc[patient, name]) for name in MODELS}
            | {name: (int if metric.count else float)(own[name]) for name, metric in METRICS.items() if metric.page}
        )
    return rows


def _title(sources: Sources) -> str:
    patients = sources.summaries["test"][ENSEMBLE]["volume"]["n"]
    kind = "synthetic test patient" if sources.phantom else "test patient"
    return f"Tumour masks of {patients} {kind}" + "s" * (patients != 1)


def _split_counts(sources: Sources) -> str:
    data, split = sources.summaries["dataset"], sources.params["split"]
    train, test = sources.summaries[f"train_{NETWORKS[0]}"], sources.summaries["test"][ENSEMBLE]["volume"]
    val = sources.summaries["val"][ENSEMBLE]
    return (
        f"{data['patients']} patients, {data['slices']} slices, {data['labeled']} with tumour; split by {split['by']}, "
        f"seed {train['seed']}: {train['train_patients']} to train ({train['train_slices']} slices), "
        f"{val['n']} to validate, {test['n']} to test"
    )


def _training(sources: Sources) -> list[tuple[str, ...]]:
    """network, chosen epoch, validation Dice, minutes, peak memory."""
    rows: list[tuple[str, ...]] = []
    for name in NETWORKS:
        found, log = sources.summaries[f"train_{name}"], sources.stages.get(f"train_{name}")
        cost = (f"{log[0] / 60:.1f} min", f"{log[1]:.0f} MiB") if log else ("-", "-")
        chosen = f"{found['kept_epoch']} of {found['epochs']}"
        rows.append((CATALOGUE[name].label, chosen, f"{found['val_dice']:.3f}", *cost))
    return rows


def _genomics(results: Any) -> dict[str, Any] | None:
    if results is None:
        return None
    return {
        "said": sentences(results),
        "columns": genomics.COLUMNS,
        "associations": genomics.association_rows(results),
        "verdicts": [published.sentence(verdict) for verdict in published.verdicts(results["manual"]["associations"])],
        "area": genomics.area_sentence(results),
        "agreement_columns": genomics.AGREEMENT_COLUMNS,
        "agreement": genomics.agreement_rows(results),
    }


def _figure(figure: Any) -> str:
    plain = json.loads(plotly.io.to_json(figure, validate=False, engine="json"))
    return json.dumps(plain, separators=(",", ":"))


def _script(content: str) -> Markup:
    """JSON that cannot end the script element it stands in."""
    return Markup(content.replace("</", "<\\/"))
