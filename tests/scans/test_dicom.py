"""DICOM series: the geometry of what is read is worked out by hand."""

from __future__ import annotations

import highdicom
import nibabel as nib
import numpy as np
import pydicom
import pytest

import brainseg
from brainseg.data.raw import MASK_SUFFIX
from brainseg.errors import DataError
from brainseg.scans.dicom import read_dicom
from brainseg.scans.dicom_seg import write_seg
from tests.scans.dicom_files import STACK, write_enhanced, write_series


def test_slices_are_sorted_by_position_and_rescaled(tmp_path):
    write_series(tmp_path / "s", STACK, "AX FLAIR", RescaleSlope=2.0, RescaleIntercept=-5.0)
    scan = read_dicom({"flair": tmp_path / "s"})
    np.testing.assert_array_equal(scan.images[..., 1], STACK.astype(float) * 2 - 5)
    assert scan.spacing == (5.0, 1.0, 2.0)
    assert (scan.name, scan.given) == ("s", ("flair",))


def test_a_coronal_series_becomes_axial(tmp_path):
    """Rows run to the feet, columns to the left; slices from front to back."""
    paths = write_series(tmp_path / "s", STACK, "FLAIR", ImageOrientationPatient=[1, 0, 0, 0, 0, -1])
    for i, path in enumerate(paths):
        dataset = pydicom.dcmread(path)
        dataset.ImagePositionPatient = [0, 5.0 * i, 0]
        dataset.save_as(path)
    scan = read_dicom({"flair": tmp_path / "s"})
    # stack [front to back, down, left] as [up, front to back, left]
    np.testing.assert_array_equal(scan.images[..., 1], STACK[:, ::-1].transpose(1, 0, 2))
    assert scan.spacing == (1.0, 5.0, 2.0)
    assert "coronal slices 5.0 mm apart" in scan.warnings[0]


def test_three_series_are_told_apart_by_description_and_agent(tmp_path):
    write_series(tmp_path / "c" / "1", STACK + 2, "AX T1 SE", agent="Gadolinium")
    write_series(tmp_path / "c" / "2", STACK, "AX FLAIR")
    write_series(tmp_path / "c" / "3", STACK + 1, "AX T1 SE")
    scan = read_dicom({"flair": tmp_path / "c"})
    np.testing.assert_array_equal(scan.images, np.stack([STACK + 1, STACK, STACK + 2], axis=-1))
    assert scan.warnings == ()
    named = read_dicom({"flair": tmp_path / "c" / "2", "post": tmp_path / "c" / "1"})
    np.testing.assert_array_equal(named.images[..., 0], STACK)


@pytest.mark.parametrize(
    ("titles", "words"),
    [
        (("FLAIR", "FLAIR fs"), "holds 2 series and 2 series that could be FLAIR"),
        (("T1 pre", "T1 post"), "holds 2 series and no series that is certainly a FLAIR"),
    ],
)
def test_series_that_cannot_be_told_apart_are_named(tmp_path, titles, words):
    for i, title in enumerate(titles):
        write_series(tmp_path / "c" / str(i), STACK, title)
    with pytest.raises(DataError, match=words):
        read_dicom({"flair": tmp_path / "c"})


def spoil(paths, what):
    dataset = pydicom.dcmread(paths[2])
    match what:
        case "missing":
            paths[2].unlink()
            return
        case "orientations":
            dataset.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
        case "doubled":
            dataset.ImagePositionPatient = pydicom.dcmread(paths[1]).ImagePositionPatient
        case "sizes":
            dataset.Rows, dataset.Columns, dataset.PixelData = 4, 7, bytes(56)
        case "no position":
            del dataset.ImageOrientationPatient
        case "damaged":
            paths[2].write_bytes(paths[2].read_bytes()[:200])
            return
    dataset.save_as(paths[2])


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("missing", "lacks 1 slice between 15.0 and 25.0 mm .its slices are 5.0 mm apart"),
        ("orientations", "slices of 2 orientations"),
        ("doubled", "two slices at 15.0 mm"),
        ("sizes", "slices of 2 heights"),
        ("no position", "has no ImageOrientationPatient"),
        ("damaged", "a DICOM image without its pixels"),
    ],
)
def test_bad_series_are_one_sentence(tmp_path, what, words):
    spoil(write_series(tmp_path / "s", STACK, "FLAIR"), what)
    with pytest.raises(DataError, match=words):
        read_dicom({"flair": tmp_path / "s"})


def test_a_single_slice(tmp_path):
    write_series(tmp_path / "s", STACK[:1], "FLAIR")
    scan = read_dicom({"flair": tmp_path / "s"})
    np.testing.assert_array_equal(scan.images[..., 1], STACK[:1])
    assert scan.spacing == (5.0, 1.0, 2.0)


def test_the_seg_lies_where_the_mask_is(tmp_path):
    write_series(tmp_path / "s", STACK, "FLAIR")
    scan = read_dicom({"flair": tmp_path / "s"})
    mask = np.zeros(STACK.shape, bool)
    mask[1:3, 2:4, 1:6] = True
    write_seg(tmp_path / "seg.dcm", mask, scan.origin.image, scan.origin.series, "ensemble")
    seg = highdicom.seg.segread(tmp_path / "seg.dcm")
    assert list(seg.segment_numbers) == [1]
    volume = nib.as_closest_canonical(seg.get_volume(combine_segments=True).to_nibabel())
    points = nib.affines.apply_affine(volume.affine, np.argwhere(np.asanyarray(volume.dataobj) > 0))
    # by hand: slices at 10 + 5 i, rows 1 mm from -4 to posterior, columns 2 mm from -3 to left; NIfTI flips both
    expected = [(3 - 2 * c, 4 - r, 10 + 5 * z) for z, r, c in np.argwhere(mask).tolist()]
    assert sorted(map(tuple, points.round(3).tolist())) == sorted(expected)


def test_a_seg_without_tumour_is_written_and_says_what_made_it(tmp_path):
    write_series(tmp_path / "s", STACK, "FLAIR")
    scan = read_dicom({"flair": tmp_path / "s"})
    maps = {MASK_SUFFIX: np.zeros(STACK.shape, bool)}
    assert scan.origin.write(tmp_path, "a", maps, f"ensemble {'1' * 64} {'2' * 64}") == []
    seg = highdicom.seg.segread(tmp_path / "a_seg.dcm")
    assert not seg.get_volume(combine_segments=True).array.any()
    made = seg.get_segment_description(1).SegmentationAlgorithmIdentificationSequence[0]
    assert (made.AlgorithmName, made.AlgorithmVersion) == ("brainseg ensemble", brainseg.__version__)
    assert made.AlgorithmParameters == f"weights_sha256={'1' * 64} {'2' * 64}"
    assert seg.ManufacturerModelName == "ensemble"


def test_a_series_that_no_seg_can_refer_to_is_one_sentence(tmp_path):
    write_series(tmp_path / "s", STACK, "FLAIR")
    scan = read_dicom({"flair": tmp_path / "s"})
    for dataset in scan.origin.series:
        del dataset.StudyInstanceUID
    with pytest.raises(DataError, match="no DICOM SEG can refer to this series"):
        write_seg(tmp_path / "seg.dcm", STACK > 500, scan.origin.image, scan.origin.series, "ensemble")
    assert not list(tmp_path.glob("*.dcm"))


def test_one_file_of_many_frames(tmp_path):
    write_enhanced(tmp_path / "s" / "all.dcm", STACK)
    scan = read_dicom({"flair": tmp_path / "s"})
    np.testing.assert_array_equal(scan.images[..., 1], STACK)
    assert scan.spacing == (5.0, 1.0, 2.0)
