from __future__ import annotations

import numpy as np
import pytest
import tifffile

from brainseg.errors import DataError
from brainseg.scans.tif import read_tif_folder, read_tif_slice
from tests.scans.heads import write_tifs

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (4, 8, 9, 3), np.uint8)


def test_slices_by_number_not_by_name(tmp_path):
    folder = write_tifs(tmp_path / "case", RGB, first=8)  # 8, 9, 10, 11: by name 10 comes first
    scan = read_tif_folder(folder)
    np.testing.assert_array_equal(scan.images, RGB)
    assert scan.slices.tolist() == [8, 9, 10, 11]
    assert scan.origin.stems == ("case_8", "case_9", "case_10", "case_11")
    assert (scan.name, scan.spacing, scan.truth, scan.warnings) == ("case", None, None, ())


def test_masks_are_never_images_and_are_the_truth_where_asked_for(tmp_path):
    masks = RGB[..., 0] > 100
    folder = write_tifs(tmp_path / "case", RGB, masks)
    assert len(read_tif_folder(folder).slices) == 4
    np.testing.assert_array_equal(read_tif_folder(folder, truth=True).truth, masks)
    (folder / "case_2_mask.tif").unlink()
    with pytest.raises(DataError, match=r"case_2_mask.tif does not exist; --score needs"):
        read_tif_folder(folder, truth=True)


def test_grey_slices_are_flair_alone(tmp_path):
    scan = read_tif_folder(write_tifs(tmp_path / "case", RGB[..., 1]))
    np.testing.assert_array_equal(scan.images[..., 2], RGB[..., 1])
    assert scan.given == ("flair",)
    assert "no pre-contrast and no post-contrast" in scan.warnings[0]


def test_16_bit_and_opacity_are_said(tmp_path):
    scan = read_tif_folder(write_tifs(tmp_path / "deep", RGB.astype(np.uint16) * 200))
    assert scan.images.dtype == np.uint16
    assert "uint16, not 8-bit" in scan.warnings[0]
    opaque = np.concatenate([RGB, np.full((4, 8, 9, 1), 255, np.uint8)], axis=-1)
    scan = read_tif_folder(write_tifs(tmp_path / "rgba", opaque))
    np.testing.assert_array_equal(scan.images, RGB)
    assert "fourth channel" in scan.warnings[0]


def spoil(folder, what):
    match what:
        case "gap":
            (folder / "case_2.tif").unlink()
        case "size":
            tifffile.imwrite(folder / "case_3.tif", np.zeros((9, 9, 3), np.uint8))
        case "two cases":
            tifffile.imwrite(folder / "other_1.tif", RGB[0])
        case "no number":
            tifffile.imwrite(folder / "notes.tif", RGB[0])
        case "twice":
            tifffile.imwrite(folder / "case_02.tif", RGB[0])
        case "cut off":
            (folder / "case_4.tif").write_bytes((folder / "case_4.tif").read_bytes()[:100])
        case "pages":
            for path in folder.iterdir():
                tifffile.imwrite(path, np.zeros((5, 8, 9), np.uint8), photometric="minisblack")
        case "masks":
            for path in folder.iterdir():
                tifffile.imwrite(path, (RGB[0] > 99).astype(np.uint8) * 255)
        case "empty":
            for path in folder.iterdir():
                path.unlink()


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("gap", "has slices 1 to 4 without 2; restore"),
        ("size", "case_3.tif is 9 x 9 x 3, expected 8 x 9 x 3"),
        ("two cases", "slices of 'case' and of 'other', expected one case"),
        ("no number", "notes.tif has no slice number"),
        ("twice", "is slice 2 a second time, beside case_02.tif"),
        ("cut off", "case_4.tif cannot be read as TIF"),
        ("pages", "save one page a file"),
        ("masks", "a mask, not an image"),
        ("empty", "holds no TIF slices"),
    ],
)
def test_bad_folders_are_one_sentence(tmp_path, what, words):
    folder = write_tifs(tmp_path / "case", RGB)
    spoil(folder, what)
    with pytest.raises(DataError, match=words):
        read_tif_folder(folder)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((1, 2_000_000_000), "has slices 1 to 2000000000 without 2, 3, 4, 5, 6, 7, ...; restore"),
        ((1, 10**18), "case_1000000000000000000.tif has a slice number of more than 18 digits"),
    ],
)
def test_slice_numbers_far_apart_or_beyond_64_bits_are_one_sentence(tmp_path, numbers, words):
    for number in numbers:
        tifffile.imwrite(tmp_path / f"case_{number}.tif", RGB[0])
    with pytest.raises(DataError, match=words):
        read_tif_folder(tmp_path)


@pytest.mark.parametrize(("name", "number"), [("case_7", 7), ("scan", 1), ("9" * 30, 1)])
def test_a_slice_by_itself_may_have_any_name(tmp_path, name, number):
    tifffile.imwrite(tmp_path / f"{name}.tif", RGB[0])
    scan = read_tif_slice(tmp_path / f"{name}.tif")
    assert (scan.name, scan.slices.tolist(), scan.origin.stems) == (name, [number], (name,))
    np.testing.assert_array_equal(scan.images, RGB[:1])
