"""NIfTI of a BIDS dataset, and masks as a BIDS derivative (bids-specification.readthedocs.io)."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import brainseg
from brainseg.data.raw import MASK_SUFFIX
from brainseg.data.slices import Bool
from brainseg.errors import DataError
from brainseg.files import json_text
from brainseg.scans.format import Shared
from brainseg.scans.nifti import NiftiFormat, NiftiOrigin, read_nifti, write_nifti
from brainseg.scans.scan import CORRECTED_SUFFIX, PROBABILITY_SUFFIX, SEQUENCES, Image, Scan

RANO = ("slice", "diameter_mm", "perpendicular_mm", "product_mm2")
"""What `report` says of the largest slice."""
VERSION = "1.10.0"
"""Of the specification."""
DESCRIPTION = "dataset_description.json"
_ENTITIES = re.compile(r"(?P<participant>sub-[a-zA-Z0-9]+)(_(?P<session>ses-[a-zA-Z0-9]+))?(_.*)?")
_ENDS = {
    MASK_SUFFIX: "_label-tumor_mask",
    CORRECTED_SUFFIX: "_label-tumor_desc-corrected_mask",
    PROBABILITY_SUFFIX: "_label-tumor_probseg",
}
_SAID = {
    MASK_SUFFIX: {"Type": "Lesion", "Description": "Tumour, 1, as brainseg found it; 0 elsewhere."},
    CORRECTED_SUFFIX: {"Type": "Lesion", "Description": "Tumour, 1, as a person put it right; 0 elsewhere."},
    PROBABILITY_SUFFIX: {"Description": "Probability of tumour in 0..1, before clean-up."},
}
_IGNORED = (
    "/sub-*.json",
    "/sub-*.jsonl",
    "/sub-*.png",
    "/sub-*_error.txt",
    "/summary.csv",
    "/worklist.csv",
    "*_stats.tsv",
)
_README = """# Tumour masks by brainseg

`sub-*/[ses-*/]anat/*_label-tumor_mask.nii.gz`: masks of lower-grade glioma, in the geometry of each FLAIR image.
`sub-*.json` beside this file: sizes, warnings, and how each mask was made. `summary.csv`: a row for each mask.

Research only: not a medical device.
"""


def entities(name: str) -> tuple[str, str]:
    """Participant, as `sub-01`, and session, as `ses-1` or empty, of a file's or case's name.

    Raises:
        DataError: the name does not begin so.
    """
    match = _ENTITIES.fullmatch(name)
    if match is None:
        raise DataError(f"{name} is no name of BIDS, expected sub-<label>[_ses-<label>]...; rename it.")
    return match["participant"], match["session"] or ""


def file_name(name: str, end: str, suffix: str) -> str:
    """The file of the mask or the probability of a case, relative to --out."""
    return "/".join([*filter(None, entities(name)), "anat", f"{name}{_ENDS[end]}{suffix}"])


def stats_name(name: str) -> str:
    """The table of a case's sizes, relative to --out."""
    return "/".join([*filter(None, entities(name)), "anat", f"{name}_label-tumor_stats.tsv"])


def root_of(flair: Path) -> Path:
    """The dataset that an image lies in."""
    return next((folder.parent for folder in flair.parents if folder.name.startswith("sub-")), flair.parent)


def _cell(value: Any) -> str:
    if value is None:
        return "n/a"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class BidsOrigin(NiftiOrigin):
    """The FLAIR's image, and where the sequences lie in their dataset, FLAIR first."""

    sources: tuple[str, ...] = ()

    def write(self, out: Path, name: str, maps: Mapping[str, Image], model: str, person: str = "") -> list[str]:
        """`sub-*/[ses-*/]anat/<name>_label-tumor_mask.nii.gz`, `_probseg.nii.gz`, and a .json beside each."""
        said = {
            "Sources": [f"bids:raw:{source}" for source in self.sources],
            "SpatialReference": f"bids:raw:{self.sources[0]}",
            "GeneratedBy": f"brainseg {brainseg.__version__}, {model}{f', corrected by {person}' if person else ''}",
        }
        for end, stack in maps.items():
            write_nifti(out / file_name(name, end, ".nii.gz"), stack, self)
            (out / file_name(name, end, ".json")).write_text(json_text(_SAID[end] | said), encoding="utf-8")
        return []

    def read_mask(self, out: Path, name: str, end: str = MASK_SUFFIX) -> Bool:
        return self.read_mask_at(out / file_name(name, end, ".nii.gz"))

    def read_probability(self, out: Path, name: str) -> Image | None:
        return self.read_probability_at(out / file_name(name, PROBABILITY_SUFFIX, ".nii.gz"))


class BidsFormat(NiftiFormat):
    """Images that a dataset's layout found; a file that is named by itself is NIfTI."""

    inputs = "a BIDS dataset"
    folder = "BIDS"
    sequences = ""

    def cases(self, path: Path) -> list[Path]:
        return []

    def takes(self, path: Path) -> bool:
        return False

    def read(self, paths: Mapping[str, Path], name: str, *, truth: bool, trust: bool) -> Scan:
        scan = read_nifti(paths, name, trust=trust, register=self.register)
        root, keys = root_of(paths["flair"]), sorted(scan.given, key=lambda key: (key != "flair", SEQUENCES.index(key)))
        sources = tuple(paths[key].relative_to(root).as_posix() for key in keys if key in paths)
        origin: Any = scan.origin
        return replace(scan, origin=BidsOrigin(origin.image, sources))

    def planned(self, name: str, flair: Path, ends: Sequence[str]) -> list[str]:
        return [*(file_name(name, end, suffix) for end in ends for suffix in (".nii.gz", ".json")), stats_name(name)]

    def tables(self, name: str, report: Mapping[str, Any]) -> dict[str, str]:
        """`*_label-tumor_stats.tsv`, one row; nothing that is known is `n/a`, as the specification has it."""
        tumour, brain = report["tumour"], report["brain"]
        row = {key: tumour[key] for key in ("volume_ml", "voxels", "parts", "side", "place")}
        row |= {f"rano_{key}": value for key, value in (tumour["rano"] or dict.fromkeys(RANO)).items()}
        row |= {"brain_volume_ml": brain["volume_ml"]}
        return {stats_name(name): "\t".join(row) + "\n" + "\t".join(map(_cell, row.values())) + "\n"}

    def shared(self, flairs: Sequence[Path], out: Path) -> Shared:
        """What makes the folder a dataset; see `Format.shared`.

        Raises:
            DataError: the images are of several datasets, and a derivative is of one.
        """
        roots = sorted({root_of(flair).resolve() for flair in flairs})
        if len(roots) > 1:
            raise DataError(
                f"{roots[0]} and {roots[1]} are two BIDS datasets, and --out is a derivative of one; run apart."
            )
        root, target = roots[0], out.resolve()
        raw = os.path.relpath(root, target) if target.is_relative_to(root) else root.as_uri()
        by = {
            "Name": "brainseg",
            "Version": brainseg.__version__,
            "Description": "Masks of lower-grade glioma on FLAIR by a U-Net and a U-Net++; research only.",
        }
        described = {
            "Name": f"Tumour masks of {root.name}",
            "BIDSVersion": VERSION,
            "DatasetType": "derivative",
            "GeneratedBy": [by],
            "DatasetLinks": {"raw": raw},
            "SourceDatasets": [{"URL": raw}],
        }
        ignored = "".join(f"{line}\n" for line in _IGNORED)
        return Shared(root, {DESCRIPTION: json_text(described), ".bidsignore": ignored, "README.md": _README})
