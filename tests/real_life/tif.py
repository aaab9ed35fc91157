"""Slices as TIF."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from tests.real_life.inputs import FLAIR, RGB, Inputs, Make, cut
from tests.scans.heads import write_tifs


def tifs(write: Callable[[Path, np.ndarray], Any], stack: np.ndarray = FLAIR) -> Make:
    def make(folder: Path) -> None:
        for i, plane in enumerate(stack):
            write(folder / f"case_{i + 1}.tif", plane)

    return make


def pillow(**more: Any) -> Callable[[Path, np.ndarray], None]:
    return lambda path, plane: Image.fromarray(plane).save(path, **more)


def by_tifffile(**more: Any) -> Callable[[Path, np.ndarray], None]:
    return lambda path, plane: tifffile.imwrite(path, plane, **more)


def hollow(path: Path) -> None:
    """Zeros in the middle of the pixels."""
    content = bytearray(path.read_bytes())
    content[1000:1500] = bytes(500)
    path.write_bytes(content)


INPUTS = Inputs()
add = INPUTS.add
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
add("TIF of several pages", lambda folder: tifffile.imwrite(folder / "case_1.tif", FLAIR))
add("TIF of several pages, by ImageJ", lambda folder: tifffile.imwrite(folder / "case.tif", FLAIR, imagej=True))
add(
    "TIF of several pages, channels by ImageJ",
    lambda folder: tifffile.imwrite(folder / "case.tif", RGB.transpose(0, 3, 1, 2), imagej=True),
)
add(
    "TIF of several pages, LZW",
    lambda folder: Image.fromarray(FLAIR[0]).save(folder / "case.tif", save_all=True, compression="tiff_lzw",
        append_images=[Image.fromarray(plane) for plane in FLAIR[1:]]),
)  # fmt: skip
add("TIF, a slice of several pages", lambda folder: (tifs(by_tifffile())(folder),
    tifffile.imwrite(folder / "case_4.tif", FLAIR))[0], "as in the rest")  # fmt: skip
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
add(
    "TIF, two channels",
    tifs(by_tifffile(photometric="minisblack", planarconfig="contig"), RGB[..., :2]),
    "expected .height, width",
)
add(
    "TIF, names without numbers", lambda folder: tifffile.imwrite(folder / "flair.tif", FLAIR[0]), "has no slice number"
)
