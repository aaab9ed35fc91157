"""What the public download holds, so that a broken copy is never taken for a whole one.

The dataset is LGG MRI Segmentation, version 2 on Kaggle: M. Buda, A. Saha, M. A. Mazurowski, "Association
of genomic subtypes of lower-grade gliomas with shape features automatically extracted by a deep learning
algorithm", Computers in Biology and Medicine 109, 2019; images from The Cancer Imaging Archive's TCGA-LGG
collection. Licence CC BY-NC-SA 4.0: name the authors, no commercial use.

Two text files lie beside this module: `lgg_manifest.csv`, the sizes and MD5 digests of the image and the
mask of each slice (88 of the 110 patients; the digests of the others are not known to us), and
`lgg_patients.csv`, the barcodes of all 110. Both are made from a raw tree that holds `data.csv`:

    python -m brainseg.data.manifest data/raw brainseg/data
"""

from __future__ import annotations

import csv
import functools
import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from brainseg.data.raw import TREE, list_patients, list_slices
from brainseg.errors import DataError, DatasetError
from brainseg.files import atomic_path
from brainseg.progress import progress

PATIENTS = 110
SLICES = 3929
SLICES_WITH_TUMOUR = 1373

MANIFEST_FILE = "lgg_manifest.csv"
PATIENTS_FILE = "lgg_patients.csv"
_COLUMNS = ("patient", "slice", "image_size", "image_md5", "mask_size", "mask_md5")


@dataclass(frozen=True)
class Digest:
    """Size in bytes and hexadecimal MD5 of one file."""

    size: int
    md5: str


@dataclass(frozen=True)
class Manifest:
    """What is known of a dataset.

    Attributes:
        files: by patient folder, by file name, the digest.
        barcodes: `TCGA_<site>_<participant>` of every patient of the whole dataset.
        slices: number of slices of the whole dataset.
        slices_with_tumour: how many of them have a tumour pixel.
    """

    files: Mapping[str, Mapping[str, Digest]]
    barcodes: frozenset[str]
    slices: int = SLICES
    slices_with_tumour: int = SLICES_WITH_TUMOUR


@functools.cache
def load() -> Manifest:
    """The manifest of the public download, from the package's own files."""
    files: dict[str, dict[str, Digest]] = {}
    package = resources.files("brainseg.data")
    with package.joinpath(MANIFEST_FILE).open(encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            stem = f"{row['patient']}_{row['slice']}"
            patient = files.setdefault(row["patient"], {})
            patient[f"{stem}.tif"] = Digest(int(row["image_size"]), row["image_md5"])
            patient[f"{stem}_mask.tif"] = Digest(int(row["mask_size"]), row["mask_md5"])
    with package.joinpath(PATIENTS_FILE).open(encoding="utf-8") as handle:
        barcodes = frozenset(row["patient"] for row in csv.DictReader(handle))
    return Manifest(files, barcodes)


def digest(path: Path) -> Digest:
    """Size and MD5 of a file. MD5 guards against damage, not against malice: the publisher gives no other."""
    with path.open("rb") as handle:
        return Digest(path.stat().st_size, hashlib.file_digest(handle, "md5").hexdigest())


def verify(raw: Path, manifest: Manifest, advice: str) -> tuple[int, int]:
    """Compare every file of a raw tree with the manifest.

    Patients may be absent (a subset is welcome) and patients without a digest are taken as they are, but
    a known patient must be there in full, with nothing added.

    Args:
        raw: folder that holds `kaggle_3m`.
        manifest: what is known.
        advice: what to do about problems, for the message.

    Returns:
        Number of files whose size and digest matched, and of files of patients that have no digest.

    Raises:
        DatasetError: one problem per patient whose files are missing, damaged or not of the dataset.
    """
    verified, unknown, problems = 0, 0, []
    for folder in progress(list_patients(raw), "Verifying"):
        found = {path.name: path for path in sorted(folder.iterdir())}
        known = manifest.files.get(folder.name)
        if known is None:
            unknown += len(found)
            continue
        missing = sorted(known.keys() - found.keys())
        strange = sorted(found.keys() - known.keys())
        damaged = [name for name in sorted(known.keys() & found.keys()) if _differs(found[name], known[name])]
        verified += len(known) - len(missing) - len(damaged)
        for names, what in (
            (missing, f"of {len(known)} files are missing"),
            (damaged, f"of {len(known)} files differ from the public download in size or digest"),
            (strange, "files are not of the public download"),
        ):
            if names:
                problems.append(f"{folder.name}: {len(names)} {what} ({_first(names)}).")
    if problems:
        raise DatasetError(f"The data are not what was published; {advice}. Found:", problems)
    return verified, unknown


def _differs(path: Path, expected: Digest) -> bool:
    return path.stat().st_size != expected.size or digest(path) != expected


def _first(names: list[str], shown: int = 3) -> str:
    return ", ".join(names[:shown]) + (", ..." if len(names) > shown else "")


def build(raw: Path) -> list[dict[str, str | int]]:
    """Rows of `lgg_manifest.csv` for a raw tree whose slices all have image and mask.

    Raises:
        DataError: a slice lacks one of them, or a file is no slice.
    """
    rows: list[dict[str, str | int]] = []
    for folder in list_patients(raw):
        entries, strangers = list_slices(folder)
        if strangers:
            raise DataError(f"{strangers[0]} is no slice of {folder.name}; remove it.")
        for entry in entries:
            if entry.image is None or entry.mask is None:
                raise DataError(f"{folder}: slice {entry.number} lacks its image or mask; restore it.")
            image, mask = digest(entry.image), digest(entry.mask)
            values = (folder.name, entry.number, image.size, image.md5, mask.size, mask.md5)
            rows.append(dict(zip(_COLUMNS, values, strict=True)))
    return rows


def write(raw: Path, package: Path) -> None:
    """Write both files of the manifest for the raw tree `raw` into the folder `package`."""
    with (raw / TREE / "data.csv").open(encoding="utf-8") as handle:
        barcodes = sorted(row["Patient"] for row in csv.DictReader(handle))
    _write_csv(package / MANIFEST_FILE, _COLUMNS, build(raw))
    _write_csv(package / PATIENTS_FILE, ("patient",), [{"patient": name} for name in barcodes])


def _write_csv(path: Path, columns: tuple[str, ...], rows: list[dict[str, str | int]]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
