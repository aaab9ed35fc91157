"""One TIF whose pages are the slices, as ImageJ saves a stack; `<name>_mask.tif` beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from brainseg.data.raw import MASK_SUFFIX
from brainseg.data.slices import Bool, size_text
from brainseg.errors import DataError
from brainseg.scans import tif_lzw
from brainseg.scans.geometry import check_size
from brainseg.scans.quiet import overheard
from brainseg.scans.scan import PROBABILITY_SUFFIX, Image, Origin, Scan
from brainseg.scans.tif import TifFormat
from brainseg.scans.tif_files import SUFFIXES, image_files, mask_beside
from brainseg.scans.tif_planes import scan_of_planes, write_tif


@dataclass(frozen=True)
class TifStackOrigin(Origin):
    """The file of pages.

    Attributes:
        size: pages, height and width.
    """

    size: tuple[int, ...]

    def write(self, out: Path, name: str, maps: Mapping[str, Image], model: str, person: str = "") -> list[str]:
        """`<name>_mask.tif`, uint8 0 and 255, and `<name>_probability.tif`, a page for each; see `Origin.write`."""
        for end, stack in maps.items():
            write_tif(out / _file(name, end), stack)
        return []

    def read_mask(self, out: Path, name: str, end: str = MASK_SUFFIX) -> Bool:
        path = out / _file(name, end)
        if not path.is_file():
            raise DataError(f"{path} does not exist; run brainseg predict again.")
        return _mask(path, self.size, "run brainseg predict again")

    def read_probability(self, out: Path, name: str) -> Image | None:
        path = out / _file(name, PROBABILITY_SUFFIX)
        return read_pages(path)[0] if path.is_file() else None


class TifStackFormat(TifFormat):
    """TIF files of several pages, each a case, and folders of nothing else; a mask may lie beside each."""

    inputs = "a TIF of several pages"
    folder = "TIF files of several pages"
    truth = "TIF of several pages (with <name>_mask.tif beside it)"

    def cases(self, path: Path) -> list[Path]:
        if path.is_file():
            return [path] if _is_stack(path) else []
        folders = [path, *(child for child in sorted(path.iterdir()) if child.is_dir() and child.name[0] != ".")]
        files = [file for folder in folders for file in image_files(folder)]
        return files if files and all(map(_is_stack, files)) else []  # slices end it with the first of them

    def read(self, paths: Mapping[str, Path], name: str, *, truth: bool, trust: bool) -> Scan:
        """See `Format.read`; nothing of a page is in doubt."""
        return read_tif_stack(paths["flair"], name, truth=truth)

    def planned(self, name: str, flair: Path, ends: Sequence[str]) -> list[str]:
        return [_file(name, end) for end in ends]


def read_tif_stack(path: Path, name: str | None = None, *, truth: bool = False) -> Scan:
    """Read one patient's slices from the pages of a file.

    Pages are axial slices from the feet upwards, as files of slices are, and count from 1. What `read_tif_folder` says
    of channels holds here; three channels may also be pages of their own, if the file says so (ImageJ, OME).

    Args:
        path: the file.
        name: of the case; the file's if None.
        truth: read `<name>_mask.tif`, too.

    Raises:
        DataError: unreadable, pages of several sizes or with more axes than slices and channels, another number of
            channels, values that are no picture, or no mask where it was asked for.
    """
    warnings: list[str] = []
    with overheard(warnings, str(path)):
        stack, inverted = read_pages(path)
    check_size(stack.shape[:3], f"the stack in {path}")
    if inverted:
        warnings.append("the pages store white as their lowest value: inverted")
    mask = mask_beside(path)
    if truth and not mask.is_file():
        raise DataError(f"{mask} does not exist; --score needs it beside the scan.")
    return scan_of_planes(
        stack,
        np.arange(1, len(stack) + 1),
        TifStackOrigin(stack.shape[:3]),
        name=path.stem if name is None else name,
        source=path,
        warnings=warnings,
        truth=_mask(mask, stack.shape[:3], "expected one size") if truth else None,
    )


def read_pages(path: Path) -> tuple[Image, bool]:
    """The pages of a file, one or several, and whether they stored white as their lowest value and were inverted.

    Returns:
        [n, height, width] or [n, height, width, channels].

    Raises:
        DataError: see `read_tif_stack`.
    """
    values, inverted = tif_lzw.decode(path)
    with tifffile.TiffFile(path) as tif:
        whole, axes = _whole(tif), tif.series[0].axes
    if len(whole) > 1:
        raise DataError(f"{path} has pages of {len(whole)} sizes or kinds, expected one; save the scan by itself.")
    long = [i for i, axis in enumerate(axes) if axis in "YX" or values.shape[i] > 1]
    values, axes = values.reshape([values.shape[i] for i in long]), "".join(axes[i] for i in long)
    # a stack of one axis beside rows and columns is slices, even where a program calls that axis channels
    channels = next((axis for axis in "SC" if axis in axes and (axis == "S" or len(axes) > 3)), "")
    slices = [axis for axis in axes if axis not in f"YX{channels}"]
    if len(slices) > 1 or not {"Y", "X"} <= set(axes):
        raise DataError(
            f"{path} is {size_text(values.shape)} with the axes {axes}, expected slices, rows and columns, and "
            "perhaps channels; save one stack a file."
        )
    stack = values.transpose([axes.index(axis) for axis in (*slices, "Y", "X", *channels)])
    return np.ascontiguousarray(stack if slices else stack[None]), inverted


def _is_stack(path: Path) -> bool:
    """Whether it has several pages; what cannot be read is no stack, and refused as a slice."""
    if path.suffix.lower() not in SUFFIXES:
        return False
    try:
        with overheard([], str(path)), tifffile.TiffFile(path) as tif:
            first, *others = _whole(tif)
            sizes = zip(first.axes, first.shape, strict=True)
            return bool(others) or any(size > 1 for axis, size in sizes if axis not in "YXS")
    except Exception:  # tifffile raises many kinds on damaged files
        return False


def _whole(tif: tifffile.TiffFile) -> list[Any]:
    """Groups of pages that are alike, without previews of other pages."""
    return [series for series in tif.series if not series.keyframe.is_reduced]


def _mask(path: Path, size: tuple[int, ...], advice: str) -> Bool:
    mask, _ = read_pages(path)
    if mask.shape != tuple(size):
        raise DataError(f"{path} is {size_text(mask.shape)}, its scan {size_text(size)}; {advice}.")
    return mask > 0


def _file(name: str, end: str) -> str:
    return f"{name}{end}.tif"
