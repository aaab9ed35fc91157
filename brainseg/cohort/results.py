"""What a prediction says of a scan: the report that becomes the JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import brainseg
from brainseg.cohort.records import Record, are_there
from brainseg.data.slices import Bool
from brainseg.evaluation.overlap import overlap
from brainseg.files import sha256
from brainseg.inference.models import LoadedModels
from brainseg.scans.cases import Case
from brainseg.scans.scan import Scan
from brainseg.segmentation.measures import parts, place, rano
from brainseg.segmentation.segmenter import Segmentation
from brainseg.trust.edge import as_text
from brainseg.trust.model import CALIBRATION

TRUTH_DIGEST = "truth_sha256"
"""Of the file that a score was worked out with, in the JSON's `score`."""


def report(
    case: Case, scan: Scan, result: Segmentation, models: LoadedModels, tta: bool, unwritten: Sequence[str] = ()
) -> dict[str, Any]:
    """All that is worth knowing of one result, ready for JSON; `unwritten` is what `Origin.write` returned."""
    content: dict[str, Any] = {
        "case": scan.name,
        "kind": case.kind,
        "input": case.places,
        "not_used": [file.name for file in case.left],
        "series": dict(case.series),
        "changes": list(case.changes),
        "registration": {key: motion.as_json() for key, motion in scan.motions.items()},
        "notes": list(scan.notes),
        "shape": list(scan.images.shape[:3]),
        "scan_sha256": scan.digest,
        "spacing_mm": None if scan.spacing is None else list(scan.spacing),
        "sequences": list(scan.given),
        "tumour": _tumour(scan, result),
        "brain": {
            "fraction_of_volume": float(result.brain.mean()),
            "volume_ml": None if scan.spacing is None else float(result.brain.sum() * np.prod(scan.spacing)) / 1000,
            "extracted_before": result.stripped,
            "mask": as_text(result.brain),
        },
        "trust": result.trust.as_json(),
        "unsure_edge": as_text(result.unsure_edge),
        "warnings": [*result.warnings, *unwritten],
        "made_by": made_by(models, tta),
    }
    if scan.truth is not None:
        known = case.name in models.patients
        content["score"] = _score(scan.truth, result.mask) | {"trained_on": known}
        if known:
            content["warnings"].append("the weights were trained on a patient of this name: its Dice is a fit, no test")
    return content


def _tumour(scan: Scan, result: Segmentation) -> dict[str, Any]:
    voxels, brain = int(result.mask.sum()), int(result.brain.sum())
    return {
        "voxels": voxels,
        "volume_ml": result.volume_ml,
        "slices": scan.slices[result.mask.any((1, 2))].tolist(),
        "largest_diameter_mm": result.largest_diameter_mm,
        "largest_diameter_px": result.largest_diameter_px,
        "fraction_of_brain": voxels / brain if brain else 0.0,
        "rano": rano(result.mask, scan.spacing, scan.slices),
        "parts": parts(result.mask),
        **place(result.mask, result.brain),
    }


def _score(truth: Bool, mask: Bool) -> dict[str, Any]:
    found = overlap(truth, mask)
    return {"dice": found.dice, "iou": found.iou, "truth_voxels": int(truth.sum())}


def made_by(models: LoadedModels, tta: bool) -> dict[str, Any]:
    """Model and version, so that a result can be traced."""
    return {
        "brainseg": brainseg.__version__,
        "model": models.name,
        "weights_sha256": models.digests,
        "postprocess": models.choice.model_dump(),
        "tta": tta,
        "runtime": models.runtime,
        "precision": models.precision,
        "device": models.device,
        "calibration_sha256": sha256(CALIBRATION),
    }


def fingerprint(input_digest: str, settings: dict[str, Any]) -> str:
    """Of the input's files (`Case.digest`) and of what is to be done with them."""
    return hashlib.sha256(json.dumps([input_digest, settings], sort_keys=True).encode()).hexdigest()


def known_truth(earlier: Record) -> str:
    """The digest of the true mask that an earlier result was scored with; empty where it was not, or by no file."""
    return str(earlier.content.get("score", {}).get(TRUTH_DIGEST, ""))


def is_done(out: Path, earlier: Record, wanted: Collection[str]) -> bool:
    """Whether an earlier run segmented the same input with the same settings, and all its files are there as written.

    Args:
        out: folder of the results.
        earlier: the case's record in it.
        wanted: fingerprints, each of which will do.
    """
    return earlier.whole and earlier.content.get("fingerprint") in wanted and are_there(out, earlier.files)
