"""Files of TIF slices by their numbers: `<case>_<slice>.tif`, and `<case>_<slice>_mask.tif` beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path

from brainseg.data.raw import MASK_SUFFIX
from brainseg.errors import DataError

SUFFIXES = {".tif", ".tiff"}
DIGITS = 18
"""Of a slice number, without leading zeros: as many as 64 bits hold."""
SHOWN = 6
"""So many missing slices in a sentence."""
_NUMBERED = re.compile(r"^(?P<case>.*?)_?(?P<number>\d+)$")


def tif_files(folder: Path) -> list[Path]:
    """The TIF files of a folder, by name; hidden ones are not meant."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))


def image_files(folder: Path) -> list[Path]:
    """Those of them that are no masks."""
    return [path for path in tif_files(folder) if not path.stem.endswith(MASK_SUFFIX)]


def mask_beside(path: Path) -> Path:
    """Where the mask of a slice lies, if there is one."""
    return path.with_name(f"{path.stem}{MASK_SUFFIX}{path.suffix}")


def number_alone(path: Path) -> int:
    """Of a slice without others; 1 where its name has none."""
    match = _NUMBERED.match(path.stem)
    return int(match["number"]) if match and len(match["number"]) <= DIGITS else 1


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


def _case(path: Path) -> str:
    match = _NUMBERED.match(path.stem)
    return match["case"] if match else ""
