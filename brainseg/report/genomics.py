"""Section of the page: does shape tell the genomic cluster, and would predicted masks do?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from brainseg.model.catalogue import CATALOGUE, ENSEMBLE, TRUTH_COLOUR
from brainseg.radiogenomics import published
from brainseg.report.boxes import boxes

CLUSTERING = "RNASeqCluster"
SOURCES = {"manual": (TRUTH_COLOUR, "circle"), "predicted": (CATALOGUE[ENSEMBLE].colour, CATALOGUE[ENSEMBLE].symbol)}
COLUMNS = (
    "feature", "clustering", "patients", "unknown", "Fisher p", "Cramer's V", "rank p", "rank p, Holm",
    "epsilon squared", "patients predicted", "Fisher p predicted", "published",
)  # fmt: skip

AGREEMENT_COLUMNS = ("feature", "patients", "bias", "limits", "ICC", "95% interval")


def association_rows(results: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A row per feature and clustering, as text, with the columns of `COLUMNS`.

    Args:
        results: content of metrics/radiogenomics.json.
    """
    predicted = {(row["feature"], row["clustering"]): row for row in results["predicted"]["associations"]}
    claimed = {(claim.feature, claim.clustering): claim.p for claim in published.CLAIMS}
    rows: list[tuple[str, ...]] = []
    for row in results["manual"]["associations"]:
        feature, clustering = row["feature"], row["clustering"]
        other = predicted.get((feature, clustering))
        claim = claimed.get((feature, clustering)) or claimed.get((feature, None))
        rows.append(
            (
                published.NAMES[feature],
                clustering,
                str(row["n"]),
                str(row["missing"]),
                _p(row["fisher_p"]),
                f"{row['cramers_v']:.2f}",
                _p(row["rank_p"]),
                _p(row["rank_p_adjusted"]),
                f"{row['epsilon_squared']:.2f}",
                str(other["n"]) if other else "-",
                _p(other["fisher_p"]) if other else "-",
                f"p < {claim:g}" if claim else "-",
            )
        )
    return rows


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 1e-6 else "< 1e-6"


def area_sentence(results: Mapping[str, Any]) -> str:
    """R2 against the rest by inverse BEVR, here and as published."""
    parts = []
    for kind, there in published.AUC.items():
        areas = {name: _area(curve) for name, curve in results[kind]["r2_by_inverse"].items()}
        parts.append(
            f"{kind} masks {areas['bevr']}, of the largest part {areas['bevr_largest']}, published {there:.2f}"
        )
    return f"RNASeq cluster R2 against the rest by inverse BEVR, area under the ROC curve: {'; '.join(parts)}."


def _area(curve: Mapping[str, float] | None) -> str:
    return "too few patients" if curve is None else f"{curve['auc']:.2f} ({curve['low']:.2f} to {curve['high']:.2f})"


def agreement_rows(results: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A row per feature, as text, with the columns of `AGREEMENT_COLUMNS`."""
    return [
        (
            published.NAMES.get(feature, feature),
            str(row["n"]),
            f"{row['bias']:+.3g}",
            f"{row['low']:.3g} to {row['high']:.3g}",
            f"{row['icc']:.2f}",
            f"{row['icc_low']:.2f} to {row['icc_high']:.2f}",
        )
        for feature, row in results["agreement"].items()
    ]


def shape_boxes(shapes: pd.DataFrame) -> dict[str, tuple[str, list[Any]]]:
    """The published features by RNASeq cluster, manual beside predicted: feature -> its name and Plotly's traces.

    Args:
        shapes: metrics/shape.csv.
    """
    known = shapes.dropna(subset=[CLUSTERING, "bevr"]).sort_values(CLUSTERING)
    known = known.assign(cluster="R" + known[CLUSTERING].astype(int).astype(str))
    return {
        feature: (
            label,
            [
                box
                for source, (colour, symbol) in SOURCES.items()
                for box in boxes(known[known["source"] == source], "cluster", feature, source, colour, symbol)
            ],
        )
        for feature, label in published.NAMES.items()
    }
