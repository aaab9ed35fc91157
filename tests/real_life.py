"""Inputs that real life produces, each made anew: what `predict` has to do with it stands beside it.

`python -m tests.real_life FOLDER` writes them all, to be tried by hand.
"""

from __future__ import annotations

import gzip
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import tifffile
from PIL import Image

from tests.scans.dicom_files import write_enhanced, write_series
from tests.scans.heads import as_nifti, write_tifs

RNG = np.random.default_rng(11)
FLAIR, T1, T1C, T2 = (RNG.integers(low, 250, (10, 60, 70), np.uint8) for low in (0, 1, 2, 3))
SPACING = (5.0, 1.0, 2.0)
Make = Callable[[Path], Any]


@dataclass(frozen=True)
class Input:
    """One input.

    Attributes:
        make: writes it below a folder; returns the path to be named, if it is not the folder.
        refused: a regular expression of the sentence; empty where each case gets the mask of `FLAIR`.
        cases: how many are in it.
        options: of `find_cases`; paths in it are below the folder.
        trust: the user insists.
    """

    make: Make
    refused: str = ""
    cases: int = 1
    options: dict[str, Any] = field(default_factory=dict)
    trust: bool = False


INPUTS: dict[str, Input] = {}
"""By a name that is a sentence's beginning."""


def add(name: str, make: Make, refused: str = "", **more: Any) -> None:
    assert name not in INPUTS
    INPUTS[name] = Input(make, refused, **more)


def nifti(stack: np.ndarray = FLAIR, name: str = "scan.nii.gz", change: Callable[[Any], Any] | None = None) -> Make:
    """One NIfTI file; `change` gets the image and may return another."""

    def make(folder: Path) -> Path:
        image = as_nifti(stack, SPACING)
        image = (change(image) if change else None) or image
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        nib.save(image, folder / name)
        return folder / name

    return make


def raw(content: Callable[[bytes], bytes], name: str = "scan.nii") -> Make:
    """A NIfTI file whose bytes are changed."""

    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content(as_nifti(FLAIR, SPACING).to_bytes()))
        return path

    return make


def tree(files: dict[str, np.ndarray]) -> Make:
    """A folder of NIfTI files."""

    def make(folder: Path) -> None:
        for name, stack in files.items():
            nifti(stack, name)(folder)

    return make


def named(before: str, ends: tuple[str, ...]) -> dict[str, np.ndarray]:
    """FLAIR, T1, T1 with agent, and T2 under a dataset's names."""
    return {f"{before}{end}.nii.gz": stack for end, stack in zip(ends, (FLAIR, T1, T1C, T2), strict=False)}


def turned(axes: tuple[int, ...], flips: tuple[int, ...]) -> Make:
    ornt = np.array([axes, flips]).T
    return nifti(change=lambda image: image.as_reoriented(ornt))


def of_type(dtype: Any) -> Make:
    return nifti(FLAIR.astype(dtype))


def header(**fields: Any) -> Make:
    def change(image: Any) -> None:
        for key, value in fields.items():
            image.header[key] = value

    return nifti(change=change)


def dicom(title: str = "FLAIR", stack: np.ndarray = FLAIR, **more: Any) -> Make:
    return lambda folder: write_series(folder / "series", stack, title, **more) and None


def spoiled(change: Callable[[list[Path]], Any], **more: Any) -> Make:
    return lambda folder: change(write_series(folder / "series", FLAIR, "FLAIR", **more)) and None


def study(*series: tuple[str, np.ndarray, dict[str, Any]]) -> Make:
    def make(folder: Path) -> None:
        for i, (title, stack, more) in enumerate(series):
            write_series(folder / str(i), stack, title, SeriesNumber=i + 1, **more)

    return make


def edited(**values: Any) -> Callable[[list[Path]], None]:
    """The third slice with other attributes."""

    def change(paths: list[Path]) -> None:
        dataset = pydicom.dcmread(paths[2])
        for key, value in values.items():
            setattr(dataset, key, value)
        dataset.save_as(paths[2])

    return change


def tifs(write: Callable[[Path, np.ndarray], Any], stack: np.ndarray = FLAIR) -> Make:
    def make(folder: Path) -> None:
        for i, plane in enumerate(stack):
            write(folder / f"case_{i + 1}.tif", plane)

    return make


def pillow(**more: Any) -> Callable[[Path, np.ndarray], None]:
    return lambda path, plane: Image.fromarray(plane).save(path, **more)


def by_tifffile(**more: Any) -> Callable[[Path, np.ndarray], None]:
    return lambda path, plane: tifffile.imwrite(path, plane, **more)


RGB = np.stack([T1, FLAIR, T1C], -1)

# NIfTI files
add("NIfTI, packed", nifti())
add("NIfTI, not packed", nifti(name="scan.nii"))
add("NIfTI, name in capitals", nifti(name="SCAN.NII.GZ"))
add("NIfTI, a name with spaces and signs", nifti(name="Müller, A. (2) #1.nii.gz"))
for letters, axes, flips in (
    ("RAS", (0, 1, 2), (-1, -1, 1)), ("RPI", (0, 1, 2), (-1, 1, -1)), ("AIL", (2, 0, 1), (1, 1, -1)),
    ("SAL", (1, 2, 0), (-1, -1, 1)), ("PSR", (2, 0, 1), (-1, -1, -1)), ("IPR", (1, 2, 0), (1, 1, -1)),
):  # fmt: skip
    add(f"NIfTI, stored along other axes ({letters})", turned(axes, flips))
for kind in (np.int16, np.uint16, np.int32, np.float32, np.float64):
    add(f"NIfTI of {np.dtype(kind).name}", of_type(kind))
add("NIfTI, negative values", nifti(FLAIR.astype(np.int16) - 300))
add("NIfTI-2", nifti(change=lambda image: nib.Nifti2Image(np.asarray(image.dataobj), image.affine)))
add("NIfTI, big-endian", raw(lambda _: big_endian()))
add(
    "NIfTI of one volume along a fourth axis",
    nifti(change=lambda i: nib.Nifti1Image(i.get_fdata()[..., None], i.affine)),
)
add(
    "NIfTI of three volumes",
    nifti(change=lambda i: nib.Nifti1Image(np.stack([T1.T, FLAIR.T, T1C.T], -1), i.affine)),
)
add(
    "NIfTI of two volumes",
    nifti(change=lambda i: nib.Nifti1Image(np.stack([T1.T, FLAIR.T], -1), i.affine)),
    "expected three",
)
add(
    "NIfTI without geometry",
    nifti(change=lambda i: nib.Nifti1Image(FLAIR.T, None)),
    "does not say which way the head",
)
add(
    "NIfTI with NaN",
    of_type(np.float32) if False else nifti(np.where(FLAIR == 7, np.nan, FLAIR).astype(np.float32)),
    "NaN",
)
add("NIfTI with infinity", nifti(np.where(FLAIR == 7, np.inf, FLAIR).astype(np.float32)), "infinite")
add("NIfTI of one value", nifti(np.full_like(FLAIR, 3)), "has the value 3 everywhere")
add("NIfTI of a mask", nifti((FLAIR > 100).astype(np.uint8)), "a mask, not an image")
add("NIfTI of complex numbers", nifti(FLAIR.astype(np.complex64)), "expected real numbers")
add("NIfTI, cut off", raw(lambda content: content[:-5000]), "cannot be read as NIfTI")
add(
    "NIfTI, packed and cut off",
    raw(lambda content: gzip.compress(content)[:-5000], "scan.nii.gz"),
    "cannot be read as NIfTI",
)
add("NIfTI with more bytes than its header says", raw(lambda content: content + b"more"), "more bytes follow")
add(
    "NIfTI, damaged in the middle",
    raw(lambda content: damaged(gzip.compress(content)), "scan.nii.gz"),
    "cannot be read",
)
add("a text called .nii", raw(lambda _: b"hello"), "does not begin as a NIfTI|cannot be read as NIfTI")
add("an empty file called .nii.gz", raw(lambda _: b"", "scan.nii.gz"), "cannot be read as NIfTI")
add("a packed file called .nii", raw(gzip.compress), "cannot be read as NIfTI")
add(
    "NIfTI with voxels of a metre",
    nifti(change=lambda i: nib.Nifti1Image(FLAIR.T, np.diag([1e3, 1e3, 1e3, 1]))),
    "mm|size",
)
add("a path that is not there", lambda folder: folder / "none.nii.gz", "does not exist; check its spelling")

# cohorts by name
add("BraTS 2023", tree(named("BraTS-GLI-00000-000/BraTS-GLI-00000-000-", ("t2f", "t1n", "t1c", "t2w"))))
add("BraTS 2021", tree(named("BraTS2021_00000/BraTS2021_00000_", ("flair", "t1", "t1ce", "t2"))))
add("UCSF-PDGM", tree(named("UCSF-PDGM-0004_nifti/UCSF-PDGM-0004_", ("FLAIR", "T1", "T1c", "T2"))))
add("UPENN-GBM", tree(named("UPENN-GBM-00001_11/UPENN-GBM-00001_11_", ("FLAIR", "T1", "T1GD", "T2"))))
add("LUMIERE", tree({**named("P1/week-1/", ("FLAIR", "T1", "CT1", "T2")), "P2/week-1/FLAIR.nii.gz": FLAIR}), cases=2)
add("a folder of a patient's files", tree(named("", ("flair", "t1", "t1ce", "t2"))))
add("a folder of the files of two patients", tree(named("P1_", ("flair", "t1")) | named("P2_", ("flair",))), cases=2)
add("a patient's derived files beside his sequences", tree(named("", ("FLAIR", "T1")) | {"FLAIR_bias.nii.gz": T2}))
add("a folder of T1 and T2", tree({"t1.nii.gz": T1, "t2.nii.gz": T2}), "has no FLAIR by its name .* --cases")
add("a T1 moved to FLAIR", tree({"T1_to_FLAIR.nii.gz": T1}), "has no FLAIR by its name")
add(
    "two FLAIR of one patient", tree({"flair.nii.gz": FLAIR, "t2f.nii.gz": FLAIR}), "has 2 files that are flair by name"
)
add("names that say nothing", tree({"3.nii.gz": T1, "5.nii.gz": FLAIR}), "has no FLAIR by its name")
add("an empty folder", lambda folder: None, "holds no scan .it is empty")
add("a folder of pictures", lambda folder: Image.fromarray(FLAIR[0]).save(folder / "a.png"), r"holds no scan .\.png")

# a table of cases
for name, mark in (("commas", ","), ("semicolons", ";"), ("tabs", "\t")):

    def table(folder: Path, mark: str = mark) -> None:
        tree({"x/1.nii.gz": FLAIR, "x/2.nii.gz": T1})(folder)
        rows = [("case", "flair", "pre"), ("P1", "x/1.nii.gz", "x/2.nii.gz")]
        (folder / "cases.csv").write_text("\n".join(mark.join(row) for row in rows))

    add(f"a table with {name}", table, options={"table": "cases.csv"})
add(
    "a table of files that are not there",
    lambda folder: (folder / "cases.csv").write_text("case,flair\nP1,none.nii") and None,
    "none.nii does not exist",
    options={"table": "cases.csv"},
)

# BIDS
add("BIDS", tree(named("sub-01/anat/sub-01_", ("FLAIR", "T1w", "ce-gd_T1w", "T2w"))))
add(
    "BIDS with sessions",
    tree(named("sub-01/ses-1/anat/sub-01_ses-1_", ("FLAIR",)) | named("sub-01/ses-2/anat/sub-01_ses-2_", ("FLAIR",))),
    cases=2,
)
add(
    "BIDS with runs",
    tree(named("sub-01/anat/sub-01_run-1_", ("FLAIR",)) | named("sub-01/anat/sub-01_run-2_", ("FLAIR",))),
    cases=2,
)
add("BIDS, one participant", tree(named("sub-01/anat/sub-01_", ("FLAIR",)) | named("sub-02/anat/sub-02_", ("FLAIR",))),
    options={"participants": ["02"]})  # fmt: skip
add("BIDS, a participant that is not there", tree(named("sub-01/anat/sub-01_", ("FLAIR",))), "there is no sub-9",
    options={"participants": ["9"]})  # fmt: skip
add("BIDS without FLAIR", tree({"sub-01/anat/sub-01_T1w.nii.gz": T1}), r"has no \*_FLAIR.nii.gz")

# DICOM
T2_TIMES = {"RepetitionTime": 4000, "EchoTime": 100}
FLAIR_TIMES = {"RepetitionTime": 9000, "EchoTime": 120, "InversionTime": 2500}
CORONAL, SAGITTAL = (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1)


def other_plane(directions: tuple[int, ...], steps: tuple[int, int, int], stack: np.ndarray) -> Make:
    """Slices `steps` mm apart."""

    def make(folder: Path) -> None:
        paths = write_series(
            folder / "s", stack, "FLAIR", ImageOrientationPatient=list(directions), PixelSpacing=[5.0, 2.0]
        )
        for i, path in enumerate(paths):
            dataset = pydicom.dcmread(path)
            dataset.ImagePositionPatient = [float(step * i) for step in steps]
            dataset.save_as(path)

    return make


add("DICOM, one series", dicom())
add("DICOM with times of a FLAIR and no description", dicom("head", **FLAIR_TIMES))
add("DICOM, enhanced", lambda folder: write_enhanced(folder / "s" / "all.dcm", FLAIR))
add("DICOM, rescaled", dicom(RescaleSlope=2.0, RescaleIntercept=-7.0))
add("DICOM, white as lowest value", dicom(stack=int(FLAIR.max()) + int(FLAIR.min()) - FLAIR.astype(np.uint16),
    PhotometricInterpretation="MONOCHROME1"))  # fmt: skip
add("DICOM, coronal", other_plane(CORONAL, (0, 1, 0), np.ascontiguousarray(FLAIR[::-1].transpose(1, 0, 2))))
add(
    "DICOM, a file beside that is none",
    lambda folder: (dicom()(folder), (folder / "series" / "x.txt").write_text("x"))[0],
)
add("DICOM with reports", lambda folder: (dicom()(folder), report(folder / "report.dcm"))[0])
add("DICOM, a study", study(("loc", T2[:3], {}), ("AX T2", T2, T2_TIMES), ("FLAIR", FLAIR, FLAIR_TIMES), ("T1", T1, {}),
    ("AX T1 +C", T1C, {"agent": "Gd"}), ("ADC", T2, {})))  # fmt: skip
add(
    "DICOM, two FLAIR",
    study(("FLAIR", FLAIR, {}), ("FLAIR", T2, {})),
    "2 series that could be FLAIR, 1 and 2; .*--series",
)
add("DICOM, two FLAIR and a choice", study(("FLAIR", FLAIR, {}), ("FLAIR", T2, {})), options={"series": ["flair=1"]})
add("DICOM, a study without FLAIR", study(("AX T2", T2, {}), ("AX T1", T1, {})), "no series that is certainly a FLAIR")
add("DICOM, a T1 FLAIR in the place of FLAIR", study(("AX T2", T2, {}), ("T1 FLAIR", T1, {})), "certainly a FLAIR")
add("DICOM, T2 alone", dicom("AX T2", T2), "is T2 by its description, expected FLAIR")
add("DICOM, T1 alone", dicom("brain", T1, RepetitionTime=500, EchoTime=10), "is T1 by its times, expected FLAIR")
add("DICOM, called FLAIR with times of T2", dicom("FLAIR", T2, RepetitionTime=3000, EchoTime=90), "no certain FLAIR")
add("DICOM, a T2 that the user insists on", dicom("AX T2", FLAIR), trust=True)
add("DICOM of CT", dicom(Modality="CT"), "has the modality CT, expected MR")
add("DICOM, a slice is missing", spoiled(lambda paths: paths[4].unlink()), "lacks 1 slice")
add("DICOM, a slice twice", spoiled(edited(ImagePositionPatient=[-3.0, -4.0, 15.0])), "two slices at 15.0 mm")
add("DICOM, two orientations", spoiled(edited(ImageOrientationPatient=list(SAGITTAL))), "slices of 2 orientations")
add("DICOM, two patients in a series", spoiled(edited(PatientID="2")), "mixes 2 patients")
add("DICOM, a slice of another size", spoiled(edited(Rows=4, Columns=7, PixelData=bytes(56))), "2 heights|2 widths")
add("DICOM, a file cut off", spoiled(lambda paths: cut(paths[3], 300)), "cut off|cannot be read as DICOM")
add("DICOM, pixels cut off", spoiled(lambda paths: cut(paths[3], 4000)), "cannot be read as DICOM|cut off")
add("DICOM, no positions", spoiled(edited(ImagePositionPatient=None)), "has no ImagePositionPatient")
add("DICOM of two patients in folders", lambda folder: [write_series(folder / one / "s", FLAIR, "FLAIR", PatientID=one)
    for one in "AB"] and None, cases=2)  # fmt: skip
add("DICOM, one file is named", lambda folder: write_series(folder / "s", FLAIR, "FLAIR")[0], "name its folder")
add("DICOM, axes that are none", dicom(ImageOrientationPatient=[1, 0, 0, 1, 0, 0]), "not at right angles")

# TIF
add("TIF, three channels", lambda folder: write_tifs(folder / "case", RGB) and None)
add("TIF, one channel", tifs(by_tifffile()))
add("TIF, 16 bits", tifs(by_tifffile(), FLAIR.astype(np.uint16) * 200))
add("TIF, floats", tifs(by_tifffile(), FLAIR.astype(np.float32) / 250))
add("TIF by LZW", tifs(pillow(compression="tiff_lzw")))
add("TIF by LZW, three channels", tifs(pillow(compression="tiff_lzw"), RGB))
add("TIF by Deflate", tifs(pillow(compression="tiff_adobe_deflate")))
add("TIF by PackBits", tifs(pillow(compression="packbits")))
add("TIF, tiled", tifs(by_tifffile(tile=(16, 16))))
add("TIF, big-endian", tifs(by_tifffile(byteorder=">"), FLAIR.astype(np.uint16)))
add("TIF, BigTIFF", tifs(by_tifffile(bigtiff=True)))
add("TIF, white as zero", tifs(by_tifffile(photometric="miniswhite"), 255 - FLAIR))
add("TIF with opacity", tifs(pillow(), np.concatenate([RGB, np.full_like(RGB[..., :1], 255)], -1)))
add("TIF by JPEG", tifs(pillow(compression="jpeg")), "whole but compressed as JPEG")
add(
    "TIF of several pages",
    lambda folder: tifffile.imwrite(folder / "case_1.tif", FLAIR),
    "save one page a file|one page",
)
add(
    "TIF, a slice is missing",
    lambda folder: (tifs(by_tifffile())(folder), (folder / "case_4.tif").unlink())[0],
    "without 4",
)
add("TIF, a slice of another size", lambda folder: (tifs(by_tifffile())(folder),
    tifffile.imwrite(folder / "case_4.tif", FLAIR[0, :30]))[0], "expected 60 x 70 as in the rest")  # fmt: skip
add(
    "TIF, cut off",
    lambda folder: (tifs(by_tifffile())(folder), cut(folder / "case_4.tif", 900))[0],
    "cannot be read as TIF",
)
add("TIF, LZW damaged", lambda folder: (tifs(pillow(compression="tiff_lzw"))(folder), hollow(folder / "case_4.tif"))[0],
    "cannot be read as TIF")  # fmt: skip
add("TIF, two channels", tifs(by_tifffile(photometric="minisblack"), RGB[..., :2]), "expected .height, width")
add(
    "TIF, names without numbers", lambda folder: tifffile.imwrite(folder / "flair.tif", FLAIR[0]), "has no slice number"
)


def big_endian() -> bytes:
    image = as_nifti(FLAIR, SPACING)
    return nib.Nifti1Image(FLAIR.T, image.affine, image.header.as_byteswapped()).to_bytes()


def damaged(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes(64) + content[middle + 64 :]


def cut(path: Path, length: int) -> None:
    path.write_bytes(path.read_bytes()[:length])


def hollow(path: Path) -> None:
    """Zeros in the middle of the pixels."""
    content = bytearray(path.read_bytes())
    content[1000:1500] = bytes(500)
    path.write_bytes(content)


def report(path: Path) -> None:
    """A structured report as archives keep beside the images."""
    dataset = pydicom.dcmread(next((path.parent / "series").iterdir()))
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    dataset.Modality, dataset.SeriesInstanceUID = "SR", "1.2.9"
    del dataset.PixelData
    dataset.save_as(path)


def main() -> None:
    """Write all inputs below a new folder."""
    root = Path(sys.argv[1])
    for name, one in INPUTS.items():
        folder = root / name.replace("/", "_")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        one.make(folder)
    print(f"{len(INPUTS)} inputs: {root}")


if __name__ == "__main__":
    main()
