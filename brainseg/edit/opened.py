"""The case that is being corrected, as the page needs it: its files read, its pictures, its facts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from brainseg.correct.saved import is_saved
from brainseg.correct.session import Answer, Runs, Session
from brainseg.correct.strokes import as_runs
from brainseg.data.slices import Bool
from brainseg.errors import DataError
from brainseg.evaluation.overlap import overlap
from brainseg.params import parse_json, read_text
from brainseg.scans.scan import SEQUENCES, Scan
from brainseg.view.result import MAX_BYTES, Result
from brainseg.view.volumes import display_range, read_scan
from brainseg.view.words import facts, trust_shown, warnings

MakeAnswer = Callable[[Scan, dict[str, Any]], Answer]
"""Makes of a scan, and of what its JSON says, what answers clicks."""


@dataclass(frozen=True)
class OpenCase:
    """The case that is being corrected.

    Attributes:
        index: its place in the list of cases.
        result: of `predict`.
        predicted: all that its JSON says.
        session: its correction.
        tones: black and white of each sequence.
    """

    index: int
    result: Result
    predicted: dict[str, Any]
    session: Session
    tones: dict[str, tuple[float, float]]

    @classmethod
    def read(cls, index: int, result: Result, answers: MakeAnswer) -> OpenCase:
        """Read the scan and its mask again, and go on where the journal ends.

        Raises:
            DataError: a file is not what it was, or in the way of saving, or the case is open elsewhere.
        """
        predicted = parse_json(read_text(result.path, MAX_BYTES))
        scan = read_scan(result)
        automatic = scan.origin.read_mask(result.path.parent, result.report.case)
        session = Session(scan, automatic, result.path.parent)
        try:
            is_saved(session)
            session.answer = answers(scan, predicted)
        except BaseException:
            session.close()
            raise
        tones = {name: display_range(scan.images[..., SEQUENCES.index(name)]) for name in scan.given}
        return cls(index, result, predicted, session, tones)

    def whole(self) -> dict[str, Any]:
        """All that the page shows, ready for JSON; slices go by their place in the stack."""
        report, scan = self.result.report, self.session.scan
        numbers = scan.slices.tolist()
        doubtful = report.trust.doubtful_slices if report.trust else []
        return {
            "index": self.index,
            "case": report.case,
            "numbers": numbers,
            "height": scan.images.shape[1],
            "width": scan.images.shape[2],
            "aspect": scan.spacing[1] / scan.spacing[2] if scan.spacing else 1.0,
            "sequences": list(self.tones),
            "facts": facts(report, len(numbers)),
            "trust": trust_shown(report),
            "warnings": warnings(report),
            "doubtful": [numbers.index(number) for number in doubtful if number in numbers],
            "start": _start(self.session.mask),
            "mask": _all_runs(self.session.mask),
            "automatic": _all_runs(self.session.automatic),
            **self.changed({}),
        }

    def changed(self, turned: Runs) -> dict[str, Any]:
        """What an action may change of it; `turned` is where pixels were turned over."""
        session = self.session
        volume, spacing = int(np.count_nonzero(session.mask)), session.scan.spacing
        return {
            "lines": len(session.journal.lines),
            "turned": {str(i): runs for i, runs in turned.items()},
            "marks": {str(i): mark for i, mark in session.marks.items()},
            "clicks": [asdict(click) for click in session.clicks],
            "can": session.can,
            "saved": _is_saved(session),
            "nothing": not session.steps,
            "size": f"{volume:,} voxels" if spacing is None else f"{volume * np.prod(spacing) / 1000:.1f} ml",
            "dice": overlap(session.mask, session.automatic).dice,
        }

    def picture(self, sequence: str, place: int) -> bytes | None:
        """A slice's pixels as grey values 0..255, row after row; None where there is none."""
        images = self.session.scan.images
        if sequence not in self.tones or not 0 <= place < len(images):
            return None
        low, high = self.tones[sequence]
        plane = images[place, ..., SEQUENCES.index(sequence)].astype(np.float32)
        return ((plane - low) * (255 / max(high - low, 1e-6))).clip(0, 255).astype(np.uint8).tobytes()


def _is_saved(session: Session) -> bool:
    """What was spoilt since the case was opened is said when it is saved; what was done now is done."""
    try:
        return is_saved(session)
    except DataError:
        return False


def _all_runs(mask: Bool) -> dict[str, list[int]]:
    return {str(i): as_runs(plane) for i, plane in enumerate(mask) if plane.any()}


def _start(mask: Bool) -> dict[str, int]:
    """The pixel of the tumour next to its middle, in the slice where it is largest; else the middle of the scan."""
    if not mask.any():
        middle = [size // 2 for size in mask.shape]
        return {"slice": middle[0], "row": middle[1], "column": middle[2]}
    largest = int(mask.sum((1, 2)).argmax())
    inside = np.argwhere(mask[largest])
    row, column = inside[((inside - inside.mean(0)) ** 2).sum(1).argmin()]
    return {"slice": largest, "row": int(row), "column": int(column)}
