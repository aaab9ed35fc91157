"""DICOM series and studies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom

from tests.real_life.inputs import FLAIR, T1, T1C, T2, Inputs, Make, cut
from tests.scans.dicom_files import write_enhanced, write_series

T2_TIMES = {"RepetitionTime": 4000, "EchoTime": 100}
FLAIR_TIMES = {"RepetitionTime": 9000, "EchoTime": 120, "InversionTime": 2500}
CORONAL, SAGITTAL = (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1)


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


def report(path: Path) -> None:
    """A structured report as archives keep beside the images."""
    dataset = pydicom.dcmread(next((path.parent / "series").iterdir()))
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    dataset.Modality, dataset.SeriesInstanceUID = "SR", "1.2.9"
    del dataset.PixelData
    dataset.save_as(path)


INPUTS = Inputs()
add = INPUTS.add
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
