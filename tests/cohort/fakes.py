"""`predict` without networks: what is bright is tumour."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np

from brainseg.cohort.predict import Outcome, Settings, predict_cases, worker_of
from brainseg.cohort.summary import write_summary
from brainseg.data.slices import FLAIR
from brainseg.scans.canvas import canvas_for
from brainseg.scans.cases import find_cases
from brainseg.scans.scan import Scan
from brainseg.segmentation.segmenter import Segmentation
from brainseg.trust.trust import Trust


class FakeSegmenter:
    """Stands for `Segmenter`."""

    def __init__(self, *_: Any, **__: Any):
        choice = SimpleNamespace(model_dump=dict)
        self.models = SimpleNamespace(
            patients=frozenset(),
            name="fake",
            digests={},
            choice=choice,
            runtime="none",
            precision="float32",
            device="cpu",
        )
        self.tta = False

    def __call__(self, scan: Scan, *, stripped: bool | None = None, trust: bool = False) -> Segmentation:
        flair = scan.images[..., FLAIR].astype(np.float32)
        mask = flair > flair.mean()
        canvas = canvas_for(*flair.shape[1:], None)
        on_canvas = np.zeros((len(flair), canvas.side, canvas.side), np.float32)
        trust = Trust(0.8, 0.6, "check", 1, mask.size, ("it is a fake",))
        return Segmentation(mask, np.ones_like(mask), False, scan.spacing, scan.warnings, trust, on_canvas, canvas)


class InThisProcess(Executor):
    """Stands for `Processes`: a process of its own would know nothing of `FakeSegmenter`."""

    def __init__(self, workers: int):
        worker_of.cache_clear()  # the models of the test before

    def submit(self, fn: Callable[..., Outcome], /, *args: Any, **kwargs: Any) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@contextmanager
def without_networks() -> Iterator[None]:
    """`predict_cases` with `FakeSegmenter`, within the block."""
    cohort = "brainseg.cohort.predict"
    with (
        mock.patch("brainseg.cohort.worker.Segmenter", FakeSegmenter),
        mock.patch(f"{cohort}.Settings.load", return_value=None),
        mock.patch(f"{cohort}.Processes", InThisProcess),
        mock.patch("brainseg.cohort.early.Processes", InThisProcess),
    ):
        yield


def predict(inputs: Sequence[Path], out: Path, **changes: Any) -> dict[str, Outcome]:
    """What the command does: the cases' outcomes, and a summary of several."""
    cases = find_cases(inputs)
    with without_networks():
        outcomes = list(predict_cases(cases, Settings(out, **changes)))
    if len(cases) > 1:
        write_summary(outcomes, out)
    return {outcome.case: outcome for outcome in outcomes}
