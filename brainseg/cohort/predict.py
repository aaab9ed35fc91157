"""Many cases: worker processes, one bad scan does not stop the others, and what is done is not done again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brainseg.cohort.outputs import prepare
from brainseg.cohort.pool import Died, share_out
from brainseg.cohort.shared import shared_files, write_shared
from brainseg.cohort.truth import find_truths
from brainseg.errors import DataError
from brainseg.inference.presets import USUAL
from brainseg.inference.runtimes import AUTO, FLOAT32
from brainseg.model.catalogue import ENSEMBLE
from brainseg.scans.cases import Case

if TYPE_CHECKING:  # this process looks on, and loads no networks
    from brainseg.inference.models import LoadedModels


@dataclass(frozen=True)
class Settings:
    """What is to be done with every case.

    Attributes:
        out: folder to write into.
        model, weights, device, runtime, precision: see `load_models`.
        tta: average over flips; None does as the model's file says.
        preset: of `PRESETS`, that these settings are; for the record.
        stripped: brain extraction was done before; None to find out.
        trust_input: doubts about what a scan is are warnings.
        probability: write the probability map, too.
        overlay: write a picture, too.
        score: compare with the masks beside TIF slices, or those of `truth`.
        truth: true masks; see `find_truths`.
        redo: also what is done already.
    """

    out: Path
    model: str = ENSEMBLE
    weights: Path | None = None
    device: str = AUTO
    runtime: str = AUTO
    precision: str = FLOAT32
    tta: bool | None = None
    preset: str = USUAL
    stripped: bool | None = None
    trust_input: bool = False
    probability: bool = False
    overlay: bool = True
    score: bool = False
    truth: Path | None = None
    redo: bool = False

    def load(self) -> LoadedModels:
        """The models that these settings ask for."""
        from brainseg.inference.models import load_models

        return load_models(self.weights, self.model, device=self.device, runtime=self.runtime, precision=self.precision)


@dataclass(frozen=True)
class Outcome:
    """How one case ended.

    Attributes:
        case: its name.
        status: `done`, `skipped` (done before) or `failed`.
        report: the JSON of what is done.
        error: one sentence of what failed.
        out_of_memory: it failed for that.
    """

    case: str
    status: str
    report: dict[str, Any] | None = None
    error: str | None = None
    out_of_memory: bool = False


def predict_cases(cases: Sequence[Case], settings: Settings, workers: int = 1) -> Iterator[Outcome]:
    """Segment all cases, yielding each outcome as it comes.

    Cases run in processes of their own, a single one, too: what the system or a library ends costs only its own case,
    and can be told. What memory was short for beside others runs once more alone.

    Args:
        cases: with names of their own.
        settings: of all of them.
        workers: cases at a time; each process loads the models and takes its share of the cores.

    Raises:
        DataError: models cannot be loaded, or something of the user's is where output would go (see `prepare`).
    """
    problems = [Outcome(case.name, "failed", error=case.problem) for case in cases if case.problem]
    cases = [case for case in cases if not case.problem]
    _require_elsewhere(cases, settings.out)
    if settings.truth is not None:
        find_truths(settings.truth, [case.name for case in cases])
    shared = shared_files(cases, settings.out)
    prepare(cases, settings.out, overlay=settings.overlay, probability=settings.probability, redo=settings.redo)
    if shared is not None:
        write_shared(shared, settings.out)
    yield from problems
    workers = min(workers, len(cases))
    start = partial(_start, settings, (os.cpu_count() or 1) // workers if workers > 1 else None)
    alone = []
    for case, result in share_out(cases, start, workers):
        if workers > 1 and (isinstance(result, Died) or result.out_of_memory):
            alone.append(case)  # the others beside it may be to blame
        else:
            yield _outcome(case, result)
    for case in alone:
        for _, result in share_out([case], start, 1):
            yield _outcome(case, result)


def _outcome(case: Case, result: Outcome | Died) -> Outcome:
    if isinstance(result, Outcome):
        return result
    if result.said is not None:
        return Outcome(case.name, "failed", error=result.said)
    return Outcome(case.name, "failed", error=f"{result}; close other programs, or take a machine with more memory.")


def _start(settings: Settings, threads: int | None) -> Callable[[Case], Outcome]:
    """First thing in a process; `threads` is its share of the cores, None for all."""
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(max(1, threads))  # what every runtime keeps to
    from brainseg.cohort.worker import Worker

    return Worker(settings).run


def _require_elsewhere(cases: Sequence[Case], out: Path) -> None:
    target = out.resolve()
    for case in cases:
        for path in case.paths.values():
            source = path.resolve()
            if source in (target, target / case.name) or (source.is_dir() and target.is_relative_to(source)):
                raise DataError(f"--out {out} would write into the input {path}; choose another folder.")
