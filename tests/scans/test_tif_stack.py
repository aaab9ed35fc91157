from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image

from brainseg.data.raw import MASK_SUFFIX
from brainseg.errors import DataError
from brainseg.scans.cases import find_cases
from brainseg.scans.masks import read_numbered_mask
from brainseg.scans.tif_stack import read_tif_stack
from tests.scans.heads import write_tifs

RGB = np.random.default_rng(0).integers(0, 256, (5, 8, 9, 3), np.uint8)
GREY = np.ascontiguousarray(RGB[..., 1])


def by_pillow(path, stack, **options):
    first, *others = [Image.fromarray(plane) for plane in stack]
    first.save(path, save_all=True, append_images=others, **options)


@pytest.mark.parametrize("options", [
    {}, {"metadata": None}, {"imagej": True}, {"imagej": True, "metadata": {"axes": "ZYX"}}, {"bigtiff": True},
    {"compression": "zlib"}, {"tile": (16, 16)}, {"byteorder": ">"}, {"ome": True, "metadata": {"axes": "ZYX"}},
])  # fmt: skip
def test_pages_are_slices_of_flair(tmp_path, options):
    tifffile.imwrite(tmp_path / "P1.tif", GREY, photometric="minisblack", **options)
    scan = read_tif_stack(tmp_path / "P1.tif")
    np.testing.assert_array_equal(scan.images[..., 1], GREY)
    assert (scan.name, scan.given, scan.slices.tolist(), scan.spacing) == ("P1", ("flair",), [1, 2, 3, 4, 5], None)


@pytest.mark.parametrize("options", [
    {"photometric": "rgb"}, {"photometric": "rgb", "metadata": None},
    {"photometric": "rgb", "planarconfig": "separate"}, {"imagej": True, "metadata": {"axes": "ZCYX"}},
    {"ome": True, "metadata": {"axes": "CZYX"}, "photometric": "minisblack"},
])  # fmt: skip
def test_channels_are_sequences_whichever_axis_they_are(tmp_path, options):
    axes = options.get("metadata") or {}
    order = {"ZCYX": (0, 3, 1, 2), "CZYX": (3, 0, 1, 2)}.get(axes.get("axes", ""), (0, 1, 2, 3))
    order = (0, 3, 1, 2) if "planarconfig" in options else order
    tifffile.imwrite(tmp_path / "P1.tif", RGB.transpose(order), **options)
    scan = read_tif_stack(tmp_path / "P1.tif")
    np.testing.assert_array_equal(scan.images, RGB)
    assert (scan.given, scan.warnings) == (("pre", "flair", "post"), ())


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", None])
@pytest.mark.parametrize("stack", [GREY, RGB], ids=["grey", "rgb"])
def test_pages_that_pillow_writes(tmp_path, stack, compression):
    by_pillow(tmp_path / "P1.tif", stack, compression=compression)
    scan = read_tif_stack(tmp_path / "P1.tif")
    np.testing.assert_array_equal(scan.images[..., 1], GREY)


def test_a_preview_is_no_slice(tmp_path):
    with tifffile.TiffWriter(tmp_path / "case_1.tif") as tif:
        tif.write(GREY[0])
        tif.write(GREY[0, ::2, ::2], subfiletype=1)
    (case,) = find_cases([tmp_path / "case_1.tif"])
    assert case.kind == "tif"
    np.testing.assert_array_equal(case.read().images[..., 1], GREY[:1])


def test_each_file_of_a_folder_is_a_case_and_masks_are_the_truth(tmp_path):
    for name in ("b", "a"):
        tifffile.imwrite(tmp_path / f"{name}.tif", GREY)
        tifffile.imwrite(tmp_path / f"{name}_mask.tif", (GREY > 99).astype(np.uint8) * 255)
    first, second = find_cases([tmp_path])
    assert [(case.name, case.kind) for case in (first, second)] == [("a", "tif_stack"), ("b", "tif_stack")]
    np.testing.assert_array_equal(first.read(truth=True).truth, GREY > 99)
    (tmp_path / "a_mask.tif").unlink()
    with pytest.raises(DataError, match=r"a_mask\.tif does not exist; --score needs it beside the scan"):
        first.read(truth=True)
    tifffile.imwrite(tmp_path / "a_mask.tif", GREY[:2])
    with pytest.raises(DataError, match=r"a_mask\.tif is 2 x 8 x 9, its scan 5 x 8 x 9; expected one size"):
        first.read(truth=True)


def test_folders_of_patients_who_have_one_file_each(tmp_path):
    for patient in ("P2", "P1"):
        (tmp_path / patient).mkdir()
        tifffile.imwrite(tmp_path / patient / "scan.tif", GREY)
    assert [case.name for case in find_cases([tmp_path])] == ["P1", "P2"]


def test_slices_and_stacks_together_leave_nothing_out(tmp_path):
    write_tifs(tmp_path / "slices", GREY)
    (tmp_path / "stack").mkdir()
    tifffile.imwrite(tmp_path / "stack" / "stack_1.tif", GREY)
    slices, stack = find_cases([tmp_path])
    assert len(slices.read().slices) == 5
    with pytest.raises(DataError, match=r"the slices of .*stack are 5 x 8 x 9, expected .* save one slice a file"):
        stack.read()


def test_what_is_no_stack_of_slices_is_one_sentence(tmp_path):
    path = tmp_path / "P1.tif"
    tifffile.imwrite(path, np.stack([GREY, GREY]), imagej=True, metadata={"axes": "TZYX"})
    with pytest.raises(DataError, match=r"P1\.tif is 2 x 5 x 8 x 9 with the axes TZYX, expected slices, rows"):
        read_tif_stack(path)
    tifffile.imwrite(path, RGB[..., :2].transpose(0, 3, 1, 2), imagej=True, metadata={"axes": "ZCYX"})
    with pytest.raises(DataError, match=r"the slices of .*P1\.tif are 8 x 9 x 2, expected .height, width. of FLAIR"):
        read_tif_stack(path)
    with tifffile.TiffWriter(path) as tif:
        tif.write(GREY[:2])
        tif.write(GREY[2:, :5])
    with pytest.raises(DataError, match=r"P1\.tif has pages of 2 sizes or kinds, expected one"):
        find_cases([path])[0].read()
    tifffile.imwrite(path, GREY)
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(DataError, match=r"P1\.tif cannot be read as TIF|expected .height, width. of FLAIR"):
        find_cases([path])[0].read()


@pytest.mark.parametrize("share", [0.5, 0.97])
@pytest.mark.parametrize("options", [
    {}, {"metadata": None}, {"imagej": True}, {"bigtiff": True}, {"compression": "zlib"}, {"ome": True},
    "pillow", "lzw",
])  # fmt: skip
def test_a_file_that_was_cut_off_is_refused_whatever_is_left_of_it(tmp_path, caplog, options, share):
    path = tmp_path / "P1.tif"
    stack = np.random.default_rng(1).integers(0, 256, (12, 60, 70), np.uint8)
    if isinstance(options, dict):
        tifffile.imwrite(path, stack, photometric="minisblack", **options)
    else:
        by_pillow(path, stack, compression="tiff_lzw" if options == "lzw" else None)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    (case,) = find_cases([path])
    assert not caplog.records  # nothing of a library's own words comes to the terminal
    with pytest.raises(DataError, match=r"P1\.tif cannot be read as TIF \(it is damaged, or was cut off\)"):
        case.read()


def test_an_imagej_stack_of_one_page_is_read_as_far_as_it_is_whole(tmp_path):
    """Beyond 4 GB ImageJ writes one page and all images behind it."""
    path = tmp_path / "P1.tif"
    said = f"ImageJ=1.54f\nimages={len(GREY)}\nslices={len(GREY)}\n"
    tifffile.imwrite(path, GREY[0], photometric="minisblack", description=said, metadata=None)
    whole = path.read_bytes() + GREY[1:].tobytes()
    path.write_bytes(whole)
    np.testing.assert_array_equal(find_cases([path])[0].read().images[..., 1], GREY)
    path.write_bytes(whole[:-100])
    with pytest.raises(DataError, match="cannot be read as TIF"):
        find_cases([path])[0].read()


def test_the_mask_has_its_pages_and_can_be_measured(tmp_path):
    tifffile.imwrite(tmp_path / "P1.tif", GREY)
    scan = read_tif_stack(tmp_path / "P1.tif")
    out = tmp_path / "out"
    out.mkdir()
    scan.origin.write(out, "P1", {MASK_SUFFIX: GREY > 99}, "fake")
    written = tifffile.imread(out / "P1_mask.tif")
    np.testing.assert_array_equal(written, (GREY > 99) * np.uint8(255))
    mask, spacing, numbers = read_numbered_mask(out / "P1_mask.tif")
    np.testing.assert_array_equal(mask, GREY > 99)
    assert (spacing, numbers.tolist()) == (None, [1, 2, 3, 4, 5])
