"""TIF slices, named as in the dataset: `<case>_<slice>.tif`, and `<case>_<slice>_mask.tif` beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainseg.data.raw import MASK_SUFFIX
from brainseg.data.slices import Bool, size_text
from brainseg.errors import DataError
from brainseg.scans import tif_lzw
from brainseg.scans.format import Format
from brainseg.scans.geometry import check_size
from brainseg.scans.names import check_name
from brainseg.scans.quiet import overheard
from brainseg.scans.scan import PROBABILITY_SUFFIX, Image, Origin, Scan
from brainseg.scans.tif_files import SUFFIXES, image_files, mask_beside, number_alone, numbered_slices
from brainseg.scans.tif_planes import scan_of_planes, write_tif


@dataclass(frozen=True)
class TifOrigin(Origin):
    """Where the slices' files are gone back to.

    Attributes:
        stems: names of the files without their suffix, in the order of the slices.
        size: height and width of the slices.
    """

    stems: tuple[str, ...]
    size: tuple[int, int]

    def write(self, out: Path, name: str, maps: Mapping[str, Image], model: str, person: str = "") -> list[str]:
        """`<name>/<slice>_mask.tif`, uint8 0 and 255, and `<slice>_probability.tif`; see `Origin.write`."""
        (out / name).mkdir()
        for end, stack in maps.items():
            for stem, plane in zip(self.stems, stack, strict=True):
                write_tif(out / _file(name, stem, end), plane)
        return []

    def read_mask(self, out: Path, name: str, end: str = MASK_SUFFIX) -> Bool:
        planes = []
        for path in (out / _file(name, stem, end) for stem in self.stems):
            if not path.is_file():
                raise DataError(f"{path} does not exist; run brainseg predict again.")
            if (plane := tif_lzw.read(path)).shape != self.size:
                raise DataError(
                    f"{path} is {size_text(plane.shape)}, its slice {size_text(self.size)}; run brainseg predict again."
                )
            planes.append(plane > 0)
        return np.stack(planes)

    def read_probability(self, out: Path, name: str) -> Image | None:
        paths = [out / _file(name, stem, PROBABILITY_SUFFIX) for stem in self.stems]
        return np.stack([tif_lzw.read(path) for path in paths]) if all(path.is_file() for path in paths) else None


class TifFormat(Format):
    """Folders of slices, folders of such folders, and single slices."""

    inputs = "a folder of TIF slices"
    folder = "TIF slices"
    truth = "TIF slice or folder of them: --score needs <slice>_mask.tif beside each"

    def cases(self, path: Path) -> list[Path]:
        if path.is_file():
            return [path] if path.suffix.lower() in SUFFIXES else []
        if image_files(path):
            return [path]
        return [
            folder
            for folder in sorted(path.iterdir())
            if folder.is_dir() and not folder.name.startswith(".") and image_files(folder)
        ]

    def read(self, paths: Mapping[str, Path], name: str, *, truth: bool, trust: bool) -> Scan:
        """See `Format.read`; nothing of a slice is in doubt."""
        path = paths["flair"]
        return (read_tif_slice if path.is_file() else read_tif_folder)(path, name, truth=truth)

    def planned(self, name: str, flair: Path, ends: Sequence[str]) -> list[str]:
        slices = image_files(flair) if flair.is_dir() else [flair]
        return [_file(name, path.stem, end) for path in slices for end in ends]

    def files(self, path: Path) -> list[Path]:
        """See `Format.files`; with the mask beside a single slice."""
        beside = [mask_beside(path)] if path.is_file() else []
        return super().files(path) + [mask for mask in beside if mask.is_file()]


def read_tif_folder(folder: Path, name: str | None = None, *, truth: bool = False) -> Scan:
    """Read one patient's slices.

    RGB slices are pre-contrast, FLAIR and post-contrast; slices of one channel are FLAIR alone; a fourth channel
    is left out with a warning. TIF slices carry no geometry, so the scan has no spacing.

    Args:
        folder: holds `<case>_<slice>.tif`, numbers without gaps.
        name: of the case; the folder's if None.
        truth: read `<case>_<slice>_mask.tif` of every slice, too.

    Raises:
        DataError: names that are no slices of one case or that no mask can have, numbers missing or doubled, unreadable
            files, mixed sizes, another number of channels, several pages, values that are no picture, or a mask missing
            where asked for.
    """
    numbered = numbered_slices(folder, image_files(folder))
    return _read(folder, folder.name if name is None else name, numbered, truth)


def read_tif_slice(path: Path, name: str | None = None, *, truth: bool = False) -> Scan:
    """Read one slice by itself, whatever its name; otherwise as `read_tif_folder`."""
    return _read(path, path.stem if name is None else name, {number_alone(path): path}, truth)


def _read(source: Path, name: str, numbered: dict[int, Path], truth: bool) -> Scan:
    paths = [numbered[number] for number in sorted(numbered)]
    for path in paths:
        check_name(path.stem, path)  # its mask is called after it
    stack, warnings = _stack(source, paths)
    return scan_of_planes(
        stack,
        np.array(sorted(numbered), np.int64),
        TifOrigin(tuple(path.stem for path in paths), stack.shape[1:3]),
        name=name,
        source=source,
        warnings=warnings,
        truth=_truth(paths, stack.shape[1:3]) if truth else None,
    )


def _stack(folder: Path, paths: list[Path]) -> tuple[Image, list[str]]:
    """[n, height, width] or [n, height, width, channels], and warnings."""
    warnings: list[str] = []
    with overheard(warnings, str(folder)):
        decoded = [tif_lzw.decode(path) for path in paths]
    planes = [plane for plane, _ in decoded]
    if inverted := sum(was for _, was in decoded):
        warnings.append(f"{inverted} of {len(paths)} slices store white as their lowest value: inverted")
    check_size((len(planes), *planes[0].shape[:2]), f"the stack in {folder}")
    shapes = Counter(plane.shape for plane in planes)
    usual = shapes.most_common(1)[0][0]
    for path, plane in zip(paths, planes, strict=True):
        if plane.shape != usual:
            raise DataError(
                f"{path} is {size_text(plane.shape)}, expected {size_text(usual)} as in the rest of the stack."
            )
    return np.stack(planes), warnings


def _truth(paths: list[Path], shape: tuple[int, ...]) -> Bool:
    masks = []
    for path in paths:
        mask_path = mask_beside(path)
        if not mask_path.is_file():
            raise DataError(f"{mask_path} does not exist; --score needs a mask beside every slice.")
        mask = tif_lzw.read(mask_path)
        if mask.shape != tuple(shape):
            raise DataError(f"{mask_path} is {size_text(mask.shape)}, its image {size_text(shape)}; expected one size.")
        masks.append(mask > 0)
    return np.stack(masks)


def _file(name: str, stem: str, end: str) -> str:
    return f"{name}/{stem}{end}.tif"
