"""One correction: the mask as it is, what was done to it, and the way back; each action is in the journal first."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from brainseg.correct.answer import Click
from brainseg.correct.journal import Journal
from brainseg.correct.steps import ClickStep, InterpolateStep, Now, Step, read_step
from brainseg.correct.strokes import as_runs, from_runs
from brainseg.data.slices import Bool
from brainseg.errors import DataError
from brainseg.scans.scan import Scan

FORMAT = 1
"""Of the journal."""
UNDO, REDO = "undo", "redo"
CARRIED, INTERPOLATED = "carried", "interpolated"
"""Marks of slices that an action changed from elsewhere."""
Runs = dict[int, list[int]]
Answer = Callable[[Bool, Sequence[Click]], Bool]


@dataclass(frozen=True)
class Done:
    """An action, and where it turned pixels over: doing so again takes it back."""

    step: Step
    turned: Runs


def journal_name(case: str) -> str:
    """The file that holds what was done to a case's mask."""
    return f"{case}_corrected.journal.jsonl"


def mask_digest(mask: Bool) -> str:
    """Hexadecimal SHA-256 of a mask's bits."""
    return hashlib.sha256(np.packbits(mask).tobytes()).hexdigest()


def now_utc() -> str:
    """The time to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _unanswered(mask: Bool, clicks: Sequence[Click]) -> Bool:
    raise DataError("nothing answers clicks here; use brush and eraser.")


class Session:
    """The correction of one mask; begins where its journal ends.

    Args:
        scan: whose mask it is.
        automatic: bool [n, height, width], the mask of `predict`.
        folder: of the result; the journal lies there.
        clock: gives the time, for the journal.

    Attributes:
        mask: bool [n, height, width], as it is now; not to be written to.
        answer: gives the whole mask after the last of the clicks; see `Answerer`. To be set by whoever has one.

    Raises:
        DataError: it is being corrected elsewhere, or the journal is damaged or of another mask.
    """

    def __init__(self, scan: Scan, automatic: Bool, folder: Path, clock: Callable[[], str] = now_utc):
        self.scan, self.automatic, self.folder = scan, automatic, folder
        self.mask = automatic.copy()
        self.answer: Answer = _unanswered
        self._clock = clock
        self._done: list[Done] = []
        self._undone: list[Done] = []
        head = {
            "journal": FORMAT,
            "case": scan.name,
            "shape": list(automatic.shape),
            "scan_sha256": scan.digest,
            "automatic_sha256": mask_digest(automatic),
        }
        self.journal = Journal(folder / journal_name(scan.name), head)
        try:
            for number, line in enumerate(self.journal.lines):
                self._replay(number, line)
        except BaseException:
            self.journal.close()
            raise

    @property
    def steps(self) -> list[Step]:
        """Actions that stand, in their order."""
        return [done.step for done in self._done]

    @property
    def clicks(self) -> list[Click]:
        """Those of them that are clicks."""
        return [step.click for step in self.steps if isinstance(step, ClickStep)]

    @property
    def times(self) -> tuple[str, str] | None:
        """When the first and the last action were; None before any."""
        lines = self.journal.lines
        return (lines[0]["at"], lines[-1]["at"]) if lines else None

    @property
    def can(self) -> dict[str, bool]:
        """Whether there is something to undo, and to redo."""
        return {UNDO: bool(self._done), REDO: bool(self._undone)}

    @property
    def marks(self) -> dict[int, str]:
        """What was done to each slice last, by its place; by hand where it is in `by_hand`."""
        marks: dict[int, str] = {}
        for done in self._done:
            own = {done.step.slice} if done.step.mark else set()
            for i in done.turned.keys() - own:
                marks[i] = INTERPOLATED if isinstance(done.step, InterpolateStep) else CARRIED
            marks |= dict.fromkeys(own, done.step.mark)
        return marks

    @property
    def by_hand(self) -> frozenset[int]:
        """Slices that a person has corrected, accepted or cleared."""
        return frozenset(i for i, mark in self.marks.items() if mark not in (CARRIED, INTERPOLATED))

    def do(self, step: Step) -> Runs:
        """Do what the person asks for.

        Returns:
            Where pixels were turned over, by slice, as `as_runs` writes them.

        Raises:
            DataError: the action has no meaning there; nothing has changed.
            OSError: it could not be kept on the disk; nothing has changed.
        """
        step.require_within(self.mask.shape)
        now = Now(self.mask, self.automatic, self.by_hand, self._answered)
        planes = step.planes(now)
        turned = {i: runs for i, plane in sorted(planes.items()) if (runs := as_runs(plane ^ self.mask[i]))}
        self._keep({**step.model_dump(mode="json"), "turned": {str(i): runs for i, runs in turned.items()}})
        self._turn(turned)
        self._done.append(Done(step, turned))
        self._undone.clear()
        return turned

    def undo(self) -> Runs:
        """Take the last action back; see `do`."""
        if not self._done:
            raise DataError("there is nothing to undo.")
        self._keep({"do": UNDO})
        return self._undo()

    def redo(self) -> Runs:
        """Do again what was taken back last; see `do`."""
        if not self._undone:
            raise DataError("there is nothing to redo.")
        self._keep({"do": REDO})
        return self._redo()

    def close(self) -> None:
        """Let another editor have it."""
        self.journal.close()

    def _answered(self, click: Click) -> Bool:
        """Earlier clicks that brush, eraser or clearing have overruled count no more."""
        still = [at for at in self.clicks if self.mask[at.slice, at.row, at.column] == at.tumour]
        return self.answer(self.mask, [*still, click])

    def _keep(self, line: Mapping[str, Any]) -> None:
        self.journal.append({"n": len(self.journal.lines), "at": self._clock(), **line})

    def _turn(self, turned: Runs) -> None:
        for i, runs in turned.items():
            self.mask[i] ^= from_runs(runs, self.mask.shape[1:])

    def _undo(self) -> Runs:
        done = self._done.pop()
        self._turn(done.turned)
        self._undone.append(done)
        return done.turned

    def _redo(self) -> Runs:
        done = self._undone.pop()
        self._turn(done.turned)
        self._done.append(done)
        return done.turned

    def _replay(self, number: int, line: Any) -> None:
        """Raises DataError: the line is none of a journal of this mask, or not the next one."""
        try:
            content = dict(line)
            if content.pop("n") != number or not isinstance(content.pop("at"), str):
                raise ValueError("not the next line")
            match content["do"]:
                case "undo":
                    self._undo()
                case "redo":
                    self._redo()
                case _:
                    turned = {int(i): runs for i, runs in content.pop("turned").items()}
                    step = read_step(content)
                    step.require_within(self.mask.shape)
                    self._turn(turned)
                    self._done.append(Done(step, turned))
                    self._undone.clear()
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, DataError):
            raise DataError(
                f"line {number + 2} of {self.journal.path} is no action on this mask; restore the file, or move it "
                "elsewhere to begin anew."
            ) from None
