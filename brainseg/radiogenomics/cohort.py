"""All patients: their features, what these have to do with genomics, and whether predicted masks would do."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field

from brainseg.data.raw import barcode
from brainseg.data.slices import Bool, Int
from brainseg.errors import DataError
from brainseg.radiogenomics.association import CLUSTERS, associations, roc
from brainseg.radiogenomics.bland_altman import agreement
from brainseg.radiogenomics.ibsi import ibsi_features
from brainseg.radiogenomics.published import NAMES
from brainseg.radiogenomics.shape import Shape, ShapeParams, Spacing, shape_features

FEATURES = ("asd", "bevr", "mf", "bevr_largest")
"""Tested against the clusters: the three published ones, and BEVR of the largest part."""
BEVR = ("bevr", "bevr_largest")
R2 = 2
"""RNASeq cluster R2, which Buda et al. tell from the others by BEVR."""


class RadiogenomicsParams(ShapeParams):
    """Section `radiogenomics` of params.yaml.

    Attributes:
        ibsi: add the standard features by mirp, which the extra `radiogenomics` brings.
        bootstrap: resamples behind the interval of an area under the ROC curve.
    """

    ibsi: bool
    bootstrap: int = Field(ge=100, le=100_000)


def measure(mask: Bool, numbers: Int, params: RadiogenomicsParams, spacing: Spacing | None = None) -> dict[str, float]:
    """The fields of `Shape`, and where asked for those of `ibsi_features`, their names after `ibsi_`.

    Args:
        mask: bool [n, height, width]; of an empty one only the counts are known, the rest is NaN.
        numbers: of the slices, int [n]; `largest_slice` is one of them.
        params: see `RadiogenomicsParams`.
        spacing: between slices, rows and columns, where known; otherwise `params.thickness` to 1.
    """
    if not mask.any():
        return {field.name: math.nan for field in fields(Shape)} | {"volume": 0.0, "components": 0, "slices": 0}
    found = asdict(shape_features(mask, params, spacing))
    found["largest_slice"] = int(numbers[found["largest_slice"]])
    if params.ibsi:
        standard = ibsi_features(mask, spacing or (params.thickness, 1.0, 1.0))
        found |= {f"ibsi_{name}": value for name, value in standard.items()}
    return found


def shape_table(masks: Iterable[tuple[str, Bool, Int]], params: RadiogenomicsParams) -> pd.DataFrame:
    """A row per patient: patient, and what `measure` finds.

    Args:
        masks: patient, bool [n, height, width], and the slices' numbers.
        params: see `RadiogenomicsParams`.
    """
    rows = [{"patient": patient} | measure(mask, numbers, params) for patient, mask, numbers in masks]
    return pd.DataFrame(rows, columns=None if rows else ["patient", *(field.name for field in fields(Shape))])


def read_clinical(path: Path) -> pd.DataFrame:
    """The dataset's data.csv: patient, and the columns of `CLUSTERS`, missing where unknown.

    Returns:
        No rows where there is no such file: slices of one's own need not have been sequenced.

    Raises:
        DataError: the file is no table, lacks a column, or has clusters that are no numbers.
    """
    if not path.exists():
        return pd.DataFrame(columns=["patient", *CLUSTERS])
    try:
        table = pd.read_csv(path, dtype={"Patient": str} | dict.fromkeys(CLUSTERS, float))
        return table.rename(columns={"Patient": "patient"})[["patient", *CLUSTERS]]
    except (KeyError, ValueError) as error:
        raise DataError(
            f"{path} is not the dataset's table ({_why(error)}); expected Patient and, in numbers, "
            f"{', '.join(CLUSTERS)}."
        ) from None


def _why(error: Exception) -> str:
    """In words of a person, which those of pandas are not."""
    return "a column is missing" if isinstance(error, KeyError) else "a cluster is no number, or it is no CSV"


def radiogenomics(
    manual: pd.DataFrame, predicted: pd.DataFrame, clinical: pd.DataFrame, params: RadiogenomicsParams, seed: int
) -> dict[str, Any]:
    """Associations from manual and from predicted masks, and how far these two agree.

    Args:
        manual: `shape_table` of the annotated masks.
        predicted: of predicted ones, of all or some of the patients.
        clinical: `read_clinical`.
        params: number of resamples.
        seed: of the bootstrap.

    Returns:
        Content of metrics/radiogenomics.json: `manual` and `predicted` (n measured, empty masks, n with a cluster,
        associations, r2_by_inverse: area under the ROC curve of each `BEVR`), and `agreement` by feature on the
        patients measured in both.
    """
    both = manual.merge(predicted, on="patient", suffixes=("_manual", "_predicted"))
    both = both.dropna(subset=["bevr_manual", "bevr_predicted"])
    compared = {
        feature: agreement(both[f"{feature}_manual"].to_numpy(float), both[f"{feature}_predicted"].to_numpy(float))
        for feature in (*FEATURES, "volume")
        if len(both) >= 3
    }
    return {
        "manual": _tested(manual, clinical, params, seed),
        "predicted": _tested(predicted, clinical, params, seed),
        "agreement": {feature: found._asdict() for feature, found in compared.items()},
    }


def _tested(shapes: pd.DataFrame, clinical: pd.DataFrame, params: RadiogenomicsParams, seed: int) -> dict[str, Any]:
    measured = shapes.dropna(subset=["bevr"])
    named = with_clusters(measured, clinical)
    known = named.dropna(subset=["RNASeqCluster"])
    inside = (known["RNASeqCluster"] == R2).to_numpy()
    told = 0 < inside.sum() < len(inside)
    curves = {
        name: roc(-known[name].to_numpy(float), inside, params.bootstrap, seed)._asdict() if told else None
        for name in BEVR
    }
    return {
        "n": len(measured),
        "empty": len(shapes) - len(measured),
        "clustered": int(named[list(CLUSTERS)].notna().any(axis=1).sum()),
        "associations": [row._asdict() for row in associations(named, FEATURES)],
        "r2_by_inverse": curves,
    }


def with_clusters(shapes: pd.DataFrame, clinical: pd.DataFrame) -> pd.DataFrame:
    """The columns of `CLUSTERS` beside each patient's features, missing for those that data.csv does not name."""
    renamed = clinical.rename(columns={"patient": "barcode"})
    joined = shapes.assign(barcode=shapes["patient"].map(barcode)).merge(renamed, on="barcode", how="left")
    return joined.drop(columns="barcode")


def sentences(results: dict[str, Any]) -> list[str]:
    """What the content of metrics/radiogenomics.json says of each kind of mask, one sentence each."""
    said = []
    for kind in ("manual", "predicted"):
        found = results[kind]
        empty = f" ({found['empty']} more are empty)" if found["empty"] else ""
        text = f"{kind} masks: {found['n']}{empty}, {found['clustered']} of them with a genomic cluster"
        for name, curve in found["r2_by_inverse"].items():
            if curve:
                area = f"AUC {curve['auc']:.2f} ({curve['low']:.2f} to {curve['high']:.2f})"
                text += f"; R2 by inverse {NAMES[name]}: {area}"
        said.append(text)
    return said
