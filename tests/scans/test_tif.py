from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image

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
        ("pages", "save one slice a file"),
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


GREY = RGB[0, ..., 0]


def written_each(folder, write, n=3):
    """Slices <folder's name>_1.tif ... that `write` writes, each with other values."""
    folder.mkdir()
    for i in range(n):
        write(folder / f"{folder.name}_{i + 1}.tif", GREY ^ i)
    return folder


def with_palette(path, indices, colours):
    """By Pillow, which writes the 16-bit table that the format asks for."""
    image = Image.fromarray(indices).convert("P")
    image.putpalette([int(value) for value in np.ravel(colours)])
    image.save(path)
    page = tifffile.TiffFile(path).pages[0]
    assert page.photometric.name == "PALETTE"
    assert page.colormap.dtype == np.uint16
    assert page.colormap.shape == (3, 256)


def test_a_palette_of_greys_is_looked_up(tmp_path):
    falling = np.repeat(255 - np.arange(256)[:, None], 3, axis=1)
    folder = written_each(tmp_path / "case", lambda path, plane: with_palette(path, plane, falling))
    scan = read_tif_folder(folder)
    np.testing.assert_array_equal(scan.images[..., 1], np.stack([255 - (GREY ^ i) for i in range(3)]))
    assert (scan.images.dtype, scan.given) == (np.uint8, ("flair",))


@pytest.mark.parametrize("factor", [256, 257])
def test_a_palette_is_its_tables_high_byte(tmp_path, factor):
    table = np.tile(np.arange(255, -1, -1, dtype=np.uint16) * np.uint16(factor), (3, 1))
    folder = written_each(
        tmp_path / "case",
        lambda path, plane: tifffile.imwrite(path, plane, photometric="palette", colormap=table),
    )
    np.testing.assert_array_equal(read_tif_folder(folder).images[0, ..., 1], 255 - GREY)


def test_a_palette_of_colours_is_refused(tmp_path):
    colours = np.repeat(np.arange(256)[:, None], 3, axis=1)
    colours[7, 2] = 8  # one entry that is not grey
    folder = written_each(tmp_path / "case", lambda path, plane: with_palette(path, plane, colours))
    with pytest.raises(DataError, match=r"case_1.tif has a palette of colours, expected grey values or RGB; save it"):
        read_tif_folder(folder)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_as_zero_is_turned_back_and_said(tmp_path, dtype):
    def write(path, plane):
        tifffile.imwrite(path, np.iinfo(dtype).max - plane.astype(dtype), photometric="miniswhite")

    scan = read_tif_folder(written_each(tmp_path / "case", write))
    np.testing.assert_array_equal(scan.images[0, ..., 1], GREY)
    assert scan.warnings[0] == "3 of 3 slices store white as their lowest value: inverted"


def test_white_as_zero_in_some_slices_alone_is_turned_back_there(tmp_path):
    folder = written_each(tmp_path / "case", lambda path, plane: tifffile.imwrite(path, plane))
    tifffile.imwrite(folder / "case_2.tif", 255 - (GREY ^ 1), photometric="miniswhite")
    scan = read_tif_folder(folder)
    np.testing.assert_array_equal(scan.images[..., 1], np.stack([GREY ^ i for i in range(3)]))
    assert "1 of 3 slices store white" in scan.warnings[0]


def test_white_as_zero_in_masks_is_turned_back(tmp_path):
    masks = RGB[..., 0] > 100
    folder = write_tifs(tmp_path / "case", RGB, masks)
    for i, mask in enumerate(masks):
        tifffile.imwrite(folder / f"case_{i + 1}_mask.tif", ~mask, photometric="miniswhite")  # one bit a pixel
    np.testing.assert_array_equal(read_tif_folder(folder, truth=True).truth, masks)


def test_white_as_zero_in_floats_is_one_sentence(tmp_path):
    def write(path, plane):
        tifffile.imwrite(path, plane.astype(np.float32), photometric="miniswhite")

    with pytest.raises(
        DataError, match=r"case_1\.tif stores white as its lowest value, in float32; save it with black"
    ):
        read_tif_folder(written_each(tmp_path / "case", write))


def test_a_slice_that_claims_more_numbers_than_any_is_refused_before_it_is_decoded(tmp_path):
    folder = written_each(tmp_path / "case", lambda path, plane: tifffile.imwrite(path, plane))
    with tifffile.TiffFile(folder / "case_2.tif", mode="r+b") as tif:
        for tag in ("ImageWidth", "ImageLength"):
            tif.pages[0].tags[tag].overwrite(60_000)
    with pytest.raises(DataError, match=r"case_2\.tif claims 60000 x 60000 numbers, expected at most 2.26"):
        read_tif_folder(folder)
