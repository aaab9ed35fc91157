"""The cases of a folder, the one that is open, and what the page may ask of it; everything else stays as it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from brainseg.correct.saved import corrected_name, is_saved, save
from brainseg.correct.session import Answer, Runs, Session, journal_name
from brainseg.correct.steps import read_step
from brainseg.correct.strokes import as_runs
from brainseg.data.slices import Bool
from brainseg.errors import DataError, UserError
from brainseg.evaluation.overlap import overlap
from brainseg.params import parse_json, read_text
from brainseg.scans.scan import SEQUENCES, Scan
from brainseg.view.result import MAX_BYTES, Result, facts, find_result, results_in, trust_shown, warnings
from brainseg.view.volumes import display_range, read_scan


class Stale(UserError):  # noqa: N818
    """The page asks for something that another page has changed meanwhile."""


@dataclass(frozen=True)
class Open:
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

    @property
    def scan(self) -> Scan:
        """That was segmented."""
        return self.session.scan


class Desk:
    """Cases, least trusted first, one of which is open; its answers are ready for JSON.

    Args:
        results: of `predict`, in one folder.
        annotator: who corrects, as the page has it until the person types another name.
        answers: makes of a scan, and of what its JSON says, what answers clicks.

    Attributes:
        results: in the order of the worklist.
    """

    def __init__(self, results: list[Result], annotator: str, answers: Callable[[Scan, dict[str, Any]], Answer]):
        self.results = sorted(results, key=_least_trusted)
        self._annotator, self._answers = annotator, answers
        self._lock = Lock()
        self._open: Open | None = None

    def begin(self) -> list[str]:
        """Open the first case that has no corrected mask, or else the first.

        Returns:
            Why others were passed over, a sentence each.

        Raises:
            DataError: none can be opened.
        """
        order = sorted(range(len(self.results)), key=lambda i: self._state(i) == "saved")
        said: list[str] = []
        for index in order:
            try:
                self.open(index)
            except UserError as error:
                said.append(str(error))
            else:
                return said
        raise DataError(said[0]) if len(said) == 1 else DataError("none of the results can be opened:", said)

    def close(self) -> None:
        """Let others correct the open case."""
        with self._lock:
            if self._open is not None:
                self._open.session.close()
                self._open = None

    def open(self, index: int) -> dict[str, Any]:
        """Open a case in place of the one that is open; the whole of it for the page.

        Raises:
            DataError: there is none, its files are not what they were, or it is open elsewhere; the other stays open.
        """
        with self._lock:
            if not 0 <= index < len(self.results):
                raise DataError(f"there is no case {index}; load the page again.")
            if self._open is None or self._open.index != index:
                found = self._opened(index)
                if self._open is not None:
                    self._open.session.close()
                self._open = found
            return self._whole()

    def now(self) -> dict[str, Any]:
        """The open case for the page, all of it."""
        with self._lock:
            return self._whole()

    def act(self, index: int, after: int, step: Any) -> dict[str, Any]:
        """Do, undo or redo something.

        Args:
            index: the case that the page shows.
            after: how many lines of its journal the page knows.
            step: see `read_step`; or `{"do": "undo"}`, or `{"do": "redo"}`.

        Raises:
            Stale: the page shows another case, or an earlier state of it.
            DataError: the action has no meaning there.
            ValueError: it is no action.
            OSError: it could not be kept; nothing has changed.
        """
        with self._lock:
            session = self._current(index, after).session
            match step:
                case {"do": "undo", **rest} if not rest:
                    turned = session.undo()
                case {"do": "redo", **rest} if not rest:
                    turned = session.redo()
                case _:
                    turned = session.do(read_step(step))
            return self._changed(turned)

    def save(self, index: int, after: int, annotator: str) -> dict[str, Any]:
        """Write the corrected mask; errors as of `act`, and of `brainseg.correct.saved.save`."""
        with self._lock:
            opened = self._current(index, after)
            save(opened.session, opened.predicted, annotator)
            self._annotator = annotator
            return self._changed({})

    def picture(self, index: int, sequence: str, place: int) -> bytes | None:
        """A slice of the open case: its pixels as grey values 0..255, row after row; None where there is none."""
        opened = self._open
        if opened is None or opened.index != index or sequence not in opened.tones:
            return None
        images = opened.scan.images
        if not 0 <= place < len(images):
            return None
        low, high = opened.tones[sequence]
        plane = images[place, ..., SEQUENCES.index(sequence)].astype(np.float32)
        return ((plane - low) * (255 / max(high - low, 1e-6))).clip(0, 255).astype(np.uint8).tobytes()

    def _opened(self, index: int) -> Open:
        result = find_result(self.results[index].path)  # as it is now: predict may have run again
        predicted = parse_json(read_text(result.path, MAX_BYTES))
        scan = read_scan(result)
        automatic = scan.origin.read_mask(result.path.parent, result.report.case)
        session = Session(scan, automatic, result.path.parent, self._answers(scan, predicted))
        try:
            is_saved(session)
        except BaseException:
            session.close()
            raise
        tones = {name: display_range(scan.images[..., SEQUENCES.index(name)]) for name in scan.given}
        return Open(index, result, predicted, session, tones)

    def _current(self, index: int, after: int) -> Open:
        opened = self._open
        if opened is None or opened.index != index or len(opened.session.journal.lines) != after:
            raise Stale("this case was changed in another window; it is shown here as it is now.")
        return opened

    def _state(self, index: int) -> str:
        result = self.results[index]
        folder, case = result.path.parent, result.report.case
        if os.path.lexists(folder / f"{corrected_name(case)}.json"):
            return "saved"
        if self._open is not None and self._open.index == index:
            return "begun" if self._open.session.journal.lines else ""
        return "begun" if os.path.lexists(folder / journal_name(case)) else ""

    def _list(self) -> list[dict[str, Any]]:
        rows = []
        for index, result in enumerate(self.results):
            trust = result.report.trust
            known = {"level": trust.level, "dice": trust.dice} if trust else {"level": "", "dice": None}
            rows.append({"case": result.report.case, "state": self._state(index), **known})
        return rows

    def _whole(self) -> dict[str, Any]:
        if self._open is None:
            raise DataError("no case is open; start brainseg edit again.")
        opened, scan, session = self._open, self._open.scan, self._open.session
        report, spacing = opened.result.report, scan.spacing
        numbers = scan.slices.tolist()
        doubtful = report.trust.doubtful_slices if report.trust else []
        return {
            "index": opened.index,
            "cases": self._list(),
            "case": report.case,
            "annotator": self._annotator,
            "numbers": numbers,
            "height": scan.images.shape[1],
            "width": scan.images.shape[2],
            "aspect": spacing[1] / spacing[2] if spacing else 1.0,
            "sequences": list(opened.tones),
            "facts": facts(report, len(numbers)),
            "trust": trust_shown(report),
            "warnings": warnings(report),
            "doubtful": [numbers.index(number) for number in doubtful if number in numbers],
            "start": _start(session.mask),
            "mask": _all_runs(session.mask),
            "automatic": _all_runs(session.automatic),
            **self._changed({}),
        }

    def _changed(self, turned: Runs) -> dict[str, Any]:
        if self._open is None:
            raise DataError("no case is open; start brainseg edit again.")
        session = self._open.session
        volume = int(np.count_nonzero(session.mask))
        spacing = session.scan.spacing
        return {
            "lines": len(session.journal.lines),
            "turned": {str(i): runs for i, runs in turned.items()},
            "marks": {str(i): mark for i, mark in session.marks.items()},
            "clicks": [vars(click) for click in session.clicks],
            "can": session.can,
            "saved": is_saved(session),
            "nothing": not session.steps,
            "size": f"{volume:,} voxels" if spacing is None else f"{volume * np.prod(spacing) / 1000:.1f} ml",
            "dice": overlap(session.mask, session.automatic).dice,
        }


def find_results(path: Path) -> tuple[list[Result], list[str]]:
    """The results that the user named, and sentences about those that are not finished.

    Args:
        path: the JSON of one, or the folder of several.

    Raises:
        DataError: there are none.
    """
    if not path.is_dir():
        return [find_result(path)], []
    found, unfinished = results_in(path)
    return found, [str(error) for error in unfinished]


def _least_trusted(result: Result) -> tuple[bool, float, str]:
    trust = result.report.trust
    return (trust is None, trust.dice if trust else 0.0, result.report.case)


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
