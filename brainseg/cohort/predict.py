"""Many cases: worker processes, one bad scan does not stop the others, and what is done is not done again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brainseg.cohort.outputs import prepare
from brainseg.cohort.processes import Died, Processes
from brainseg.cohort.shared import shared_files, write_shared
from brainseg.cohort.truth import find_truths
from brainseg.errors import DataError, extra
from brainseg.inference.presets import USUAL
from brainseg.inference.runtimes import AUTO, FLOAT32
from brainseg.model.catalogue import ENSEMBLE
from brainseg.scans.cases import Case
from brainseg.terminal import ran_out_of_memory, sentence

if TYPE_CHECKING:  # this process looks on, and loads no networks
    from brainseg.cohort.worker import Worker
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


def predict_cases(
    cases: Sequence[Case],
    settings: Settings,
    workers: int = 1,
    scheduler: str | None = None,
    processes: Executor | None = None,
) -> Iterator[Outcome]:
    """Segment all cases, yielding each outcome as it comes.

    Cases run in processes of their own, a single one, too: what the system or a library ends costs only its own case,
    and can be told. What memory was short for beside others runs once more alone.

    Args:
        cases: with names of their own.
        settings: of all of them.
        workers: cases at a time on this machine; each process loads the models and takes its share of the cores.
        scheduler: of Dask: an address, whose workers take the cases, or `local`; None for processes of our own.
        processes: that were started already (`early_processes`), as many as `workers`.

    Raises:
        DataError: models cannot be loaded, or something of the user's is where output would go (see `prepare`), or
            Dask cannot work on the cases.
    """
    problems = [Outcome(case.name, "failed", error=case.problem) for case in cases if case.problem]
    cases = [case for case in cases if not case.problem]
    _require_elsewhere(cases, settings.out)
    if settings.truth is not None:
        truths = find_truths(settings.truth, [case.name for case in cases])
        cases = [replace(case, truth=truths[case.name].absolute()) for case in cases]
    shared = shared_files(cases, settings.out)
    prepare(cases, settings.out, overlay=settings.overlay, probability=settings.probability, redo=settings.redo)
    if shared is not None:
        write_shared(shared, settings.out)
    yield from problems
    if cases:
        workers = min(workers, len(cases))
        if scheduler:
            yield from _on_dask(cases, settings, workers, scheduler)
        else:
            yield from _here(cases, settings, workers, processes or Processes(workers))


def _here(cases: Sequence[Case], settings: Settings, workers: int, processes: Executor) -> Iterator[Outcome]:
    threads = (os.cpu_count() or 1) // workers if workers > 1 else None
    alone = []
    for case, outcome in _work(processes, partial(run_case, settings, threads), cases):
        if workers > 1 and outcome.out_of_memory:
            alone.append(case)  # the others beside it may be to blame
        else:
            yield outcome
    for case in alone:
        for _, outcome in _work(Processes(1), partial(run_case, settings, threads), [case]):
            yield outcome


def _on_dask(cases: Sequence[Case], settings: Settings, workers: int, scheduler: str) -> Iterator[Outcome]:
    with extra("cluster", "--scheduler"):
        from brainseg.cohort.dask import dask_workers

    settings = replace(settings, out=settings.out.absolute(), weights=settings.weights and settings.weights.absolute())
    cases = [replace(case, paths={key: Path(place) for key, place in case.places.items()}) for case in cases]
    with dask_workers(scheduler, workers, settings, cases) as executor:
        for _, outcome in _work(executor, partial(run_case, settings, None), cases):
            yield outcome


def _work(executor: Executor, work: Callable[[Case], Outcome], cases: Sequence[Case]) -> Iterator[tuple[Case, Outcome]]:
    """Each case with its outcome as it comes; where the consumer stops, what is under way stops, too."""
    try:
        futures = {executor.submit(work, case): case for case in cases}
        for future in as_completed(futures):
            case = futures.pop(future)
            try:
                yield case, future.result()
            except Died as died:
                advice = "close other programs, or take a machine with more memory."
                yield case, Outcome(case.name, "failed", error=f"{died}; {advice}", out_of_memory=True)
            except Exception as error:
                if not ran_out_of_memory(error):
                    raise
                yield case, Outcome(case.name, "failed", error=sentence(error), out_of_memory=True)
    finally:
        executor.shutdown(cancel_futures=True)


def run_case(settings: Settings, threads: int | None, case: Case) -> Outcome:
    """Segment one case in a worker process, whose first one loads the models.

    Args:
        settings: of all cases.
        threads: the process's share of the cores; None for all, or for what its environment says.
        case: to be segmented.
    """
    return worker_of(settings, threads).run(case)


@lru_cache(maxsize=1)
def worker_of(settings: Settings, threads: int | None) -> Worker:
    """The models of this process, loaded once."""
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(max(1, threads))  # what every runtime keeps to
    from brainseg.cohort.worker import Worker

    return Worker(settings)


def _require_elsewhere(cases: Sequence[Case], out: Path) -> None:
    target = out.resolve()
    for case in cases:
        for path in case.paths.values():
            source = path.resolve()
            if source in (target, target / case.name) or (source.is_dir() and target.is_relative_to(source)):
                raise DataError(f"--out {out} would write into the input {path}; choose another folder.")
