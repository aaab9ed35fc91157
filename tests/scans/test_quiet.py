"""Libraries' remarks: warnings of the scan, each once, and nothing on the terminal."""

from __future__ import annotations

import logging
import warnings

import numpy as np
import pytest
import tifffile

from brainseg.scans.nifti import read_nifti
from brainseg.scans.quiet import LOGGERS, overheard
from brainseg.scans.tif import read_tif_folder
from tests.scans.heads import write_tifs
from tests.scans.nifti_files import STACK, set_field, with_header


@pytest.mark.parametrize("name", LOGGERS)
def test_what_is_logged_or_warned_of_is_kept_once_and_not_printed(name, capfd):
    logger = logging.getLogger(name)
    said: list[str] = []
    with overheard(said, "scan.nii"):
        for _ in range(3):
            logger.warning("the  header\nis %s", "odd")
            logger.info("nothing")
            warnings.warn("overflow", RuntimeWarning, stacklevel=1)
            warnings.warn("in version 9", DeprecationWarning, stacklevel=1)
    assert said == ["scan.nii: the header is odd", "scan.nii: overflow"]
    assert capfd.readouterr() == ("", "")


def test_many_remarks_are_counted_and_long_ones_cut():
    said: list[str] = []
    with overheard(said, "scan.nii"):
        for i in range(6):
            warnings.warn(f"{i}{'x' * 1000}", stacklevel=1)
    assert [len(sentence) for sentence in said[:3]] == [len("scan.nii: ") + 200] * 3
    assert said[3:] == ["scan.nii: 3 more remarks of this kind"]


def test_loggers_and_warnings_are_as_before_also_after_a_mistake():
    logger = logging.getLogger(LOGGERS[0])
    before = (list(logger.handlers), logger.propagate, warnings.showwarning, list(warnings.filters))
    with pytest.raises(ValueError, match="a mistake"), overheard([], "scan.nii"):
        raise ValueError("a mistake")
    assert (list(logger.handlers), logger.propagate, warnings.showwarning, list(warnings.filters)) == before


@pytest.mark.parametrize("name", ["s.nii", "s.nii.gz"])
def test_what_nibabel_mends_in_a_header_is_a_warning_of_the_scan(tmp_path, name, capfd):
    path = with_header(tmp_path / name, set_field(pixdim=[3, -1.875, 1.875, 12, 0, 0, 0, 0]))
    scan = read_nifti({"flair": path})
    np.testing.assert_array_equal(scan.images[..., 1], STACK)
    assert capfd.readouterr() == ("", "")
    assert sum("pixdim[1,2,3] should be positive" in warning for warning in scan.warnings) == 1
    assert all(warning.startswith(f"{path}: ") for warning in scan.warnings if "pixdim" in warning)


def test_what_tifffile_remarks_is_a_warning_of_the_scan(tmp_path, capfd):
    folder = write_tifs(tmp_path / "case", np.random.default_rng(0).integers(0, 256, (3, 8, 9), np.uint8))
    for path in folder.iterdir():
        with tifffile.TiffFile(path, mode="r+b") as tif:
            place = tif.pages[0].tags["Software"].offset
        raw = bytearray(path.read_bytes())
        raw[place + 2 : place + 4] = (99).to_bytes(2, "little")  # a type that no tag has
        path.write_bytes(raw)
    scan = read_tif_folder(folder)
    assert capfd.readouterr() == ("", "")
    assert len(scan.images) == 3
    remarks = [warning for warning in scan.warnings if warning.startswith(f"{folder}: ")]
    assert len(remarks) == len(set(remarks)) > 0
