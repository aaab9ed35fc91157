"""The structured report: its figures are the JSON's, and a checker of DICOM finds no error in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Any

import highdicom
import pytest
from pydicom import dcmread

from brainseg.errors import DataError
from brainseg.scans.dicom import read_dicom
from brainseg.scans.dicom_seg import write_seg
from brainseg.scans.dicom_sr import write_sr
from tests.scans.dicom_files import STACK, write_series

needs_dciodvfy = pytest.mark.skipif(
    shutil.which("dciodvfy") is None and not os.environ.get("BRAINSEG_REQUIRE_TOOLS"),
    reason="the checker dciodvfy is not installed (Debian's package: dicom3tools)",
)
TRUST = {"dice": 0.87, "dice_low": 0.8, "level": "check", "volume_low_ml": 1.5, "volume_high_ml": 2.5}
RANO = {"slice": 3, "diameter_mm": 40.0, "perpendicular_mm": 20.0, "product_mm2": 800.0}


def report(voxels: int) -> dict[str, Any]:
    tumour = {"voxels": voxels, "volume_ml": voxels / 100, "rano": RANO if voxels else None}
    return {"tumour": tumour, "trust": TRUST, "made_by": {"model": "ensemble"}}


@needs_dciodvfy
@pytest.mark.parametrize("threshold", [800, 1000])
def test_the_figures_are_there_and_valid(tmp_path, threshold):
    write_series(tmp_path / "a", STACK, "FLAIR")
    scan = read_dicom({"flair": tmp_path / "a"})
    mask = scan.images[..., 1] > threshold
    write_seg(tmp_path / "seg.dcm", mask, scan.origin.image, scan.origin.series, "ensemble")
    write_sr(tmp_path / "sr.dcm", tmp_path / "seg.dcm", scan.origin.series, report(int(mask.sum())))
    document = highdicom.sr.srread(tmp_path / "sr.dcm")
    if mask.any():
        (group,) = document.content.get_volumetric_roi_measurement_groups()
        assert group.referenced_segment.referenced_sop_instance_uid == dcmread(tmp_path / "seg.dcm").SOPInstanceUID
    else:
        (group,) = document.content.get_image_measurement_groups()
    found = {one.name.meaning: (one.value, one.unit.value) for one in group.get_measurements()}
    assert found["Volume"] == (pytest.approx(mask.sum() / 100), "ml")
    assert found["Expected Dice coefficient"] == (0.87, "1")
    assert found.get("Long axis") == ((40.0, "mm") if mask.any() else None)
    assert [one.value.value for one in group.get_qualitative_evaluations()] == ["check"]
    for file in ("sr.dcm", "seg.dcm"):
        checked = subprocess.run(["dciodvfy", str(tmp_path / file)], capture_output=True, text=True, check=False)
        assert "Error" not in checked.stderr, checked.stderr


def test_a_series_that_no_report_can_refer_to_is_one_sentence(tmp_path):
    write_series(tmp_path / "a", STACK, "FLAIR")
    scan = read_dicom({"flair": tmp_path / "a"})
    write_seg(tmp_path / "seg.dcm", STACK > 800, scan.origin.image, scan.origin.series, "ensemble")
    for one in scan.origin.series:
        del one.StudyInstanceUID
    with pytest.raises(DataError, match="no DICOM SR can refer to this series"):
        write_sr(tmp_path / "sr.dcm", tmp_path / "seg.dcm", scan.origin.series, report(5))
    assert not (tmp_path / "sr.dcm").exists()
