"""TIF slices, named as in the dataset: `<case>_<slice>.tif`, and `<case>_<slice>_mask.tif` beside them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

import numpy as np

from brainseg.data.raw import MASK_SUFFIX, decode_tif, read_tif
from brainseg.data.slices import FLAIR, Bool
from brainseg.errors import DataError
from brainseg.scans.geometry import check_size
from brainseg.scans.names import check_name
from brainseg.scans.quiet import overheard
from brainseg.scans.scan import SEQUENCES, Image, Scan, by, check_values, fill_sequences, missing_warning

SUFFIXES = {".tif", ".tiff"}
DIGITS = 18
"""Of a slice number, without leading zeros: as many as 64 bits hold."""
SHOWN = 6
"""So many missing slices in a sentence."""
_NUMBERED = re.compile(r"^(?P<case>.*?)_?(?P<number>\d+)$")


@dataclass(frozen=True)
class TifOrigin:
    """Names of the slices' files without their suffix, in the order of the slices."""

    stems: tuple[str, ...]
    kind: str = "tif"


def tif_files(folder: Path) -> list[Path]:
    """The TIF files of a folder, by name; hidden ones are not meant."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))


def image_files(folder: Path) -> list[Path]:
    """Those of them that are no masks."""
    return [path for path in tif_files(folder) if not path.stem.endswith(MASK_SUFFIX)]


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
    return _read(path, path.stem if name is None else name, {_number_alone(path): path}, truth)


def _read(source: Path, name: str, numbered: dict[int, Path], truth: bool) -> Scan:
    paths = [numbered[number] for number in sorted(numbered)]
    for path in paths:
        check_name(path.stem, path)  # its mask is called after it
    stack, warnings = _stack(source, paths)
    given = SEQUENCES if stack.ndim == 4 else ("flair",)
    images = stack if stack.ndim == 4 else fill_sequences({"flair": stack})
    check_values(images[..., FLAIR], f"FLAIR (the {'second' if stack.ndim == 4 else 'only'} channel) of {source}")
    return Scan(
        name=name,
        images=images,
        spacing=None,
        slices=np.array(sorted(numbered), np.int64),
        given=given,
        sources=(source,),
        warnings=tuple(warnings + missing_warning(given)),
        origin=TifOrigin(tuple(path.stem for path in paths)),
        truth=_truth(paths, stack.shape[1:3]) if truth else None,
    )


def _number_alone(path: Path) -> int:
    """Of a slice without others; 1 where its name has none."""
    match = _NUMBERED.match(path.stem)
    return int(match["number"]) if match and len(match["number"]) <= DIGITS else 1


def _case(path: Path) -> str:
    match = _NUMBERED.match(path.stem)
    return match["case"] if match else ""


def numbered_slices(folder: Path, files: Sequence[Path], suffix: str = "") -> dict[int, Path]:
    """Slices by number.

    Args:
        folder: for messages.
        files: named `<case>_<slice><suffix>`.
        suffix: of the names without .tif.

    Raises:
        DataError: no files, a name without number, two cases, or numbers missing, doubled or beyond 64 bits.
    """
    files = sorted(files)
    if not files:
        raise DataError(
            f"{folder} holds no TIF slices{'' if suffix else ' that are images'}, expected <case>_<slice>{suffix}.tif; "
            "name another folder."
        )
    numbered: dict[int, Path] = {}
    for path in files:
        match = _NUMBERED.match(path.stem.removesuffix(suffix))
        if not match:
            raise DataError(f"{path} has no slice number, expected <case>_<slice>{suffix}.tif; rename or remove it.")
        first = _case(files[0].with_name(files[0].stem.removesuffix(suffix) + files[0].suffix))
        if match["case"] != first:
            raise DataError(f"{folder} holds slices of {first!r} and of {match['case']!r}, expected one case a folder.")
        if len(match["number"].lstrip("0")) > DIGITS:
            raise DataError(f"{path} has a slice number of more than {DIGITS} digits; rename the slices, from 1 on.")
        if (number := int(match["number"])) in numbered:
            raise DataError(
                f"{path} is slice {number} a second time, beside {numbered[number].name}; keep one of them."
            )
        numbered[number] = path
    if missing := list(islice(_missing(numbered), SHOWN + 1)):
        raise DataError(
            f"{folder} has slices {min(numbered)} to {max(numbered)} without {', '.join(map(str, missing[:SHOWN]))}"
            f"{', ...' if len(missing) > SHOWN else ''}; restore what is missing."
        )
    return numbered


def _missing(numbers: Iterable[int]) -> Iterator[int]:
    """The gaps' numbers, one by one: a gap may be wider than memory."""
    for low, high in pairwise(sorted(numbers)):
        yield from range(low + 1, high)


def _stack(folder: Path, paths: list[Path]) -> tuple[Image, list[str]]:
    """[n, height, width] or [n, height, width, 3], and warnings."""
    warnings: list[str] = []
    with overheard(warnings, str(folder)):
        decoded = [decode_tif(path) for path in paths]
    planes = [plane for plane, _ in decoded]
    if inverted := sum(was for _, was in decoded):
        warnings.append(f"{inverted} of {len(paths)} slices store white as their lowest value: inverted")
    check_size((len(planes), *planes[0].shape[:2]), f"the stack in {folder}")
    shapes = Counter(plane.shape for plane in planes)
    usual = shapes.most_common(1)[0][0]
    for path, plane in zip(paths, planes, strict=True):
        if plane.shape != usual:
            raise DataError(f"{path} is {by(plane.shape)}, expected {by(usual)} as in the rest of the stack.")
    channels = 1 if len(usual) == 2 else usual[-1]
    if len(usual) not in (2, 3) or channels not in (1, 3, 4):
        raise DataError(
            f"the slices of {folder} are {by(usual)}, expected [height, width] of FLAIR or [height, width, 3] of "
            "pre-contrast, FLAIR and post-contrast; save one page a file."
        )
    stack = np.stack(planes)
    if stack.dtype.kind not in "uif":
        raise DataError(f"the slices of {folder} hold {stack.dtype}, expected 8-bit or 16-bit numbers; save them anew.")
    if stack.dtype != np.uint8:
        warnings.append(f"the slices are {stack.dtype}, not 8-bit: brightness is scaled by the volume's maximum")
    if channels == 4:
        warnings.append("the slices have a fourth channel (opacity), which was left out")
        stack = stack[..., :3]
    return stack[..., 0] if len(usual) == 3 and channels == 1 else stack, warnings


def _truth(paths: list[Path], shape: tuple[int, ...]) -> Bool:
    masks = []
    for path in paths:
        mask_path = path.with_name(f"{path.stem}{MASK_SUFFIX}{path.suffix}")
        if not mask_path.is_file():
            raise DataError(f"{mask_path} does not exist; --score needs a mask beside every slice.")
        mask = read_tif(mask_path)
        if mask.shape != tuple(shape):
            raise DataError(f"{mask_path} is {by(mask.shape)}, its image {by(shape)}; expected one size.")
        masks.append(mask > 0)
    return np.stack(masks)
