"""TIF as OpenCV, Pillow and tifffile write it, whatever its compression."""

from __future__ import annotations

import contextlib
import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin

from brainseg.data.raw import read_tif
from brainseg.errors import DataError
from brainseg.scans.tif import read_tif_folder
from brainseg.scans.tif_lzw import read, unpack_lzw

NOISE = np.random.default_rng(0).integers(0, 256, (40, 50), np.uint8)
GREY = cv2.GaussianBlur(NOISE, (0, 0), 3)
RGB = np.stack([GREY, NOISE, np.roll(GREY, 7, 1)], -1)
WORDS = GREY.astype(np.uint16) * 257
FLOATS = GREY.astype(np.float32) / 7
IMAGES = {"grey": GREY, "noise": NOISE, "rgb": RGB, "uint16": WORDS, "float32": FLOATS, "float64": GREY / 7}


@pytest.mark.parametrize("kind", IMAGES)
@pytest.mark.parametrize("compression", [1, 5, 8, 32773, 32946])
def test_what_opencv_writes(tmp_path, kind, compression):
    image = IMAGES[kind]
    stored = image[..., ::-1] if image.ndim == 3 else image
    assert cv2.imwrite(str(tmp_path / "a.tif"), stored, [cv2.IMWRITE_TIFF_COMPRESSION, compression])
    np.testing.assert_array_equal(read(tmp_path / "a.tif"), image)


@pytest.mark.parametrize("kind", ["grey", "noise", "rgb", "uint16"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_what_pillow_writes(tmp_path, kind, compression):
    Image.fromarray(IMAGES[kind]).save(tmp_path / "a.tif", compression=compression)
    np.testing.assert_array_equal(read(tmp_path / "a.tif"), IMAGES[kind])


@pytest.mark.parametrize(
    "more",
    [
        {"tile": (16, 16)},
        {"tile": (16, 16), "compression": "zlib"},
        {"byteorder": ">"},
        {"bigtiff": True},
        {"rowsperstrip": 7, "compression": "zlib"},
        {"compression": "lzma"},
    ],
)
@pytest.mark.parametrize("kind", ["grey", "rgb", "uint16"])
def test_what_tifffile_writes(tmp_path, kind, more):
    tifffile.imwrite(tmp_path / "a.tif", IMAGES[kind], **more)
    np.testing.assert_array_equal(read(tmp_path / "a.tif"), IMAGES[kind])


def test_lzw_in_strips_tiles_and_other_byte_order_is_what_libtiff_reads(tmp_path, monkeypatch):
    monkeypatch.setattr(TiffImagePlugin, "STRIP_SIZE", 200)
    Image.fromarray(RGB).save(tmp_path / "strips.tif", compression="tiff_lzw")
    with tifffile.TiffFile(tmp_path / "strips.tif") as tif:
        assert len(tif.pages[0].dataoffsets) > 5
    np.testing.assert_array_equal(read(tmp_path / "strips.tif"), RGB)


def test_white_as_zero_and_masks_of_lzw(tmp_path):
    folder = tmp_path / "case"
    folder.mkdir()
    for i in (1, 2):
        Image.fromarray(GREY).save(folder / f"case_{i}.tif", compression="tiff_lzw")
        Image.fromarray((GREY > 120).astype(np.uint8) * 255).save(folder / f"case_{i}_mask.tif", compression="tiff_lzw")
    with tifffile.TiffFile(folder / "case_2.tif", mode="r+b") as tif:
        tif.pages[0].tags["PhotometricInterpretation"].overwrite(0)
    scan = read_tif_folder(folder, truth=True)
    np.testing.assert_array_equal(scan.images[..., 1], [GREY, 255 - GREY])
    np.testing.assert_array_equal(scan.truth, [GREY > 120] * 2)


@pytest.mark.parametrize(("begin", "end"), [(500, 900), (1000, None)])
def test_lzw_that_lost_many_bytes_is_one_sentence(tmp_path, begin, end):
    Image.fromarray(NOISE).save(tmp_path / "a.tif", compression="tiff_lzw")
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        start, count = tif.pages[0].dataoffsets[0], tif.pages[0].databytecounts[0]
    raw = bytearray((tmp_path / "a.tif").read_bytes())
    last = count if end is None else end
    raw[start + begin : start + last] = bytes(last - begin)
    (tmp_path / "a.tif").write_bytes(raw)
    with pytest.raises(DataError, match=r"a\.tif cannot be read as TIF \(.*\); fetch it again"):
        read(tmp_path / "a.tif")


@pytest.mark.skipif(importlib.util.find_spec("imagecodecs") is not None, reason="all can be decoded here")
@pytest.mark.parametrize(("compression", "name"), [("jpeg", "JPEG"), ("zstd", "ZSTD")])
def test_other_compression_is_named(tmp_path, compression, name):
    Image.fromarray(GREY).save(tmp_path / "a.tif", compression=compression)
    with pytest.raises(DataError, match=rf"a\.tif is whole but compressed as {name}, which nothing here .*LZW"):
        read(tmp_path / "a.tif")


def test_several_pages_are_no_slice(tmp_path):
    pages = [Image.fromarray(plane) for plane in (GREY, NOISE, GREY)]
    folder = tmp_path / "case"
    folder.mkdir()
    pages[0].save(folder / "case_1.tif", compression="tiff_lzw", save_all=True, append_images=pages[1:])
    with pytest.raises(DataError, match=r"case are 3 x 40 x 50, expected .*; save one slice a file"):
        read_tif_folder(folder)


@settings(max_examples=30, deadline=None)
@given(st.binary(min_size=1, max_size=3000), st.integers(1, 8))
def test_lzw_of_libtiff_comes_back(tmp_path_factory, content, repeats):
    image = np.frombuffer(content * repeats, np.uint8)[None]
    path: Path = tmp_path_factory.mktemp("lzw") / "a.tif"
    Image.fromarray(image).save(path, compression="tiff_lzw")
    np.testing.assert_array_equal(read(path), image)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=400))
def test_lzw_of_any_bytes_ends(packed):
    with contextlib.suppress(ValueError):
        assert len(unpack_lzw(packed, 5000)) <= 5000 + 4096


def test_what_tifffile_reads_is_left_to_it(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", RGB)
    np.testing.assert_array_equal(read(tmp_path / "a.tif"), read_tif(tmp_path / "a.tif"))
