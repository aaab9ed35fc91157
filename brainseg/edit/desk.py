"""The cases of a folder, the one that is open, and what the page may ask of it; everything else stays as it is."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Lock
from typing import Any

from brainseg.correct.saved import corrected_name, save
from brainseg.correct.session import journal_name
from brainseg.correct.steps import read_step
from brainseg.edit.opened import MakeAnswer, OpenCase
from brainseg.errors import DataError, UserError
from brainseg.view.result import Result, find_result, results_in


class Stale(UserError):  # noqa: N818
    """The page asks for something that another page has changed meanwhile."""


class Desk:
    """Cases, least trusted first, one of which is open; its answers are ready for JSON.

    Args:
        results: of `predict`, in one folder.
        annotator: who corrects, as the page has it until the person types another name.
        answers: see `MakeAnswer`.

    Attributes:
        results: in the order of the worklist.
    """

    def __init__(self, results: list[Result], annotator: str, answers: MakeAnswer):
        self.results = sorted(results, key=_least_trusted)
        self._annotator, self._answers = annotator, answers
        self._lock = Lock()
        self._open: OpenCase | None = None

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
                result = find_result(self.results[index].path)  # as it is now: predict may have run again
                found = OpenCase.read(index, result, self._answers)
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
            opened = self._current(index, after)
            session = opened.session
            match step:
                case {"do": "undo", **rest} if not rest:
                    turned = session.undo()
                case {"do": "redo", **rest} if not rest:
                    turned = session.redo()
                case _:
                    turned = session.do(read_step(step))
            return opened.changed(turned)

    def save(self, index: int, after: int, annotator: str) -> dict[str, Any]:
        """Write the corrected mask; errors as of `act`, and of `brainseg.correct.saved.save`."""
        with self._lock:
            opened = self._current(index, after)
            record = save(opened.session, opened.predicted, annotator)
            self._annotator = annotator
            return opened.changed({}) | {"unwritten": record["warnings"]}

    def picture(self, index: int, sequence: str, place: int) -> bytes | None:
        """A slice of the open case: its pixels as grey values 0..255, row after row; None where there is none."""
        opened = self._open
        return None if opened is None or opened.index != index else opened.picture(sequence, place)

    def _current(self, index: int, after: int) -> OpenCase:
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
        return {"cases": self._list(), "annotator": self._annotator, **self._open.whole()}


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
