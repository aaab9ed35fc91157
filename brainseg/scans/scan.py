"""The scan: three sequences of one head as an axial stack, whatever file they came from."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from brainseg.data.raw import MASK_SUFFIX
from brainseg.data.slices import CHANNELS, Bool, Float64, Int
from brainseg.errors import DataError
from brainseg.scans.motion import Motion

Image = npt.NDArray[Any]
Spacing = tuple[float, float, float]
SEQUENCES = ("pre", "flair", "post")  # the channels' order, by the names of the command's options
PROBABILITY_SUFFIX = "_probability"
"""Ends the names of maps, as `MASK_SUFFIX` those of masks."""
CORRECTED_SUFFIX = "_corrected"
"""Ends the names of masks that a person has put right."""
MASK_VALUES = 4
"""A volume with no more different values than this is a mask, not an image."""
_PART = 2**20


class Origin(ABC):
    """Where a scan came from, and the way back; without geometry, unless a class has one."""

    @property
    def affine(self) -> Float64 | None:
        """From what `stored` gives to millimetres, towards right, anterior and superior; None where nobody knows."""
        return None

    def stored(self, stack: Image) -> Image:
        """An axial stack [n, height, width] as [x, y, z] along the axes of the files."""
        return np.ascontiguousarray(stack.T)

    @abstractmethod
    def write(self, out: Path, name: str, maps: Mapping[str, Image], model: str, person: str = "") -> list[str]:
        """Write masks and probabilities as files like the scan's own, in its geometry.

        Args:
            out: folder in which nothing of the case lies.
            name: of the case.
            maps: the mask, bool [n, height, width], under `MASK_SUFFIX`; a probability, float32 of that shape, under
                `PROBABILITY_SUFFIX`. Files are called after the case, or its slices, with these at the end. A mask
                that was put right comes alone, under `CORRECTED_SUFFIX`.
            model: that found it: its name, and behind it the digests of its weights.
            person: who put it right; empty for the model's own mask.

        Returns:
            Warnings of what could not be written.
        """

    def write_report(self, out: Path, name: str, report: Mapping[str, Any]) -> list[str]:
        """Write what was measured as the scan's own kind of file has it; nothing, unless a class has such a kind.

        Args:
            out: folder in which `write` has written.
            name: of the case.
            report: what becomes `<case>.json`.

        Returns:
            Warnings of what could not be written.
        """
        return []

    @abstractmethod
    def read_mask(self, out: Path, name: str, end: str = MASK_SUFFIX) -> Bool:
        """The mask, bool [n, height, width], that `write` left in `out` under this end of the name.

        Raises:
            DataError: missing, damaged, or of another size than the scan.
        """

    def read_probability(self, out: Path, name: str) -> Image | None:
        """The map, float32 [n, height, width] in 0..1, that `write` left in `out`; None where it left none.

        Raises:
            DataError: damaged.
        """
        return None

    def read_truth(self, path: Path) -> Bool:
        """A person's mask of this scan, bool [n, height, width]; everything that is not 0 is tumour.

        Raises:
            DataError: unreadable, no mask, not on the scan's grid, or the scan has no place in space.
        """
        raise DataError(
            f"--truth {path} cannot be laid on TIF slices, which have no place in space; put <slice>_mask.tif beside "
            "each slice and say --score."
        )


@dataclass(frozen=True)
class Scan:
    """One head, ready to be segmented.

    Attributes:
        name: of the case; names the output.
        images: any real dtype [n, height, width, 3], feet first, anterior at the top, the patient's right on the
            left; channels pre-contrast, FLAIR, post-contrast, a missing one filled with FLAIR.
        spacing: millimetres between slices, rows and columns; None where the files do not say.
        slices: int64 [n], the slices' numbers in the files.
        given: names of `SEQUENCES` that the files had.
        sources: files and folders that were read.
        warnings: one sentence each.
        origin: writes a mask in the files' own geometry.
        truth: bool [n, height, width], where masks lie beside the slices and were asked for.
        notes: what was chosen of the files; one sentence each.
        motions: how sequences were moved against FLAIR, where they were registered.
    """

    name: str
    images: Image
    spacing: Spacing | None
    slices: Int
    given: tuple[str, ...]
    sources: tuple[Path, ...]
    warnings: tuple[str, ...]
    origin: Origin
    truth: Bool | None = None
    notes: tuple[str, ...] = ()
    motions: Mapping[str, Motion] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of the values: the same scan, wherever it lies."""
        digest = hashlib.sha256()
        for plane in self.images:  # slice by slice: a missing sequence is a view, which a copy would fill
            digest.update(np.ascontiguousarray(plane).data)
        return digest.hexdigest()


def fill_sequences(sequences: Mapping[str, Image]) -> Image:
    """Stack the sequences as channels; a missing one is FLAIR again, as in the training data (Buda et al. 2019).

    Args:
        sequences: `flair` and any of `pre`, `post`, each [n, height, width].

    Returns:
        [n, height, width, 3] in the computer's byte order; of FLAIR alone a view, which is not to be written to.
    """
    if sequences.keys() == {"flair"}:
        flair = sequences["flair"]
        flair = np.ascontiguousarray(flair, flair.dtype.newbyteorder("="))
        return np.broadcast_to(flair[..., None], (*flair.shape, len(SEQUENCES)))
    return np.stack([sequences.get(name, sequences["flair"]) for name in SEQUENCES], axis=-1)


def missing_warning(given: tuple[str, ...]) -> list[str]:
    """A sentence where sequences are missing."""
    missing = [channel for name, channel in zip(SEQUENCES, CHANNELS, strict=True) if name not in given]
    if not missing:
        return []
    return [f"no {' and no '.join(missing)} sequence: FLAIR is used instead, as in the training data"]


def check_values(values: Image, where: str) -> None:
    """Refuse what is no picture.

    Args:
        values: one sequence.
        where: begins the message.

    Raises:
        DataError: no real numbers, NaN or infinity, one value everywhere, or so few values that it is a mask.
    """
    if values.dtype.kind not in "iufb" or not values.size:
        raise DataError(f"{where} holds {values.dtype} {values.shape}, expected real numbers; export it again.")
    parts = _parts(values)
    bounds = np.array([(part.min(), part.max()) for part in parts])
    if values.dtype.kind == "f" and not np.isfinite(bounds).all():
        wrong = sum(int(np.count_nonzero(~np.isfinite(part))) for part in parts)
        raise DataError(f"{where} has {wrong} voxels that are NaN or infinite; replace them, with 0 outside the head.")
    low, high = bounds.min(), bounds.max()
    if low == high:
        raise DataError(f"{where} has the value {low:g} everywhere, expected a picture; export it again.")
    if _few_values(parts, low, high):
        raise DataError(
            f"{where} has no more than {MASK_VALUES} different values: a mask, not an image; give the scan."
        )


def _parts(values: Image) -> list[Image]:
    """The same values in views of a few megabytes: what is computed of a whole volume takes as much room as it."""
    flat = values.ravel(order="K")
    return [flat[start : start + _PART] for start in range(0, flat.size, _PART)]


def _few_values(parts: Sequence[Image], low: Any, high: Any) -> bool:
    """Told from about 10,000 of the values between: np.unique of a whole volume takes as long as the network."""
    between = sum(int(np.count_nonzero((part != low) & (part != high))) for part in parts)
    step, seen, passed = max(1, between // 10_000), {low, high}, 0
    for part in parts:
        inside = part[(part != low) & (part != high)]
        seen.update(np.unique(inside[-passed % step :: step]).tolist())
        passed += len(inside)
        if len(seen) > MASK_VALUES:
            return False
    return True
