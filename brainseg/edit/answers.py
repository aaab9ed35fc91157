"""Answers to clicks on a scan that is got ready in the background, from the moment that it is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from threading import Thread
from typing import Any

from brainseg.correct.answer import Answerer, Click, OnScan, Prepared
from brainseg.correct.clicks.network import best_answerer
from brainseg.data.slices import Bool
from brainseg.errors import DataError, UserError
from brainseg.inference.models import load_models
from brainseg.inference.predictor import predict_volume
from brainseg.inference.presets import FAST, PRESETS
from brainseg.scans.scan import Scan
from brainseg.segmentation.segmenter import Segmenter


class Answers:
    """What the page's clicks are answered by.

    The scan goes the way that it went for its mask, as far as brain and contrast; its probabilities are those of the
    fast network, which takes a second or two. A click waits until that is done.

    Args:
        scan: that is corrected.
        stripped: what `predict` was told of the brain's extraction.
        answerer: answers on the networks' canvas; `best_answerer` if None.
    """

    def __init__(self, scan: Scan, *, stripped: bool | None = None, answerer: Answerer | None = None):
        self._scan, self._stripped = scan, stripped
        self._answerer = answerer
        self._ready: tuple[Prepared, OnScan] | None = None
        self._problem: Exception | None = None
        self._thread = Thread(target=self._prepare)  # not a daemon: OpenVINO ends badly with those
        self._thread.start()

    @classmethod
    def of(cls, scan: Scan, predicted: Mapping[str, Any]) -> Answers:
        """For a scan of which `<case>.json` says this."""
        return cls(scan, stripped=predicted.get("settings", {}).get("stripped"))

    def __call__(self, mask: Bool, clicks: Sequence[Click]) -> Bool:
        """See `Answerer.answer`; mask and clicks are on the scan's own slices.

        Raises:
            DataError: the scan could not be got ready; everything but clicks works all the same.
        """
        self._thread.join()
        if self._ready is None:
            if isinstance(self._problem, UserError):
                raise DataError(f"clicks have no answer here ({self._problem}); use brush and eraser.")
            raise self._problem or RuntimeError("the scan was not got ready")
        prepared, on_scan = self._ready
        return on_scan.answer(prepared, mask, clicks)

    def _prepare(self) -> None:
        try:
            segmenter = _segmenter()
            looked = segmenter.look(self._scan, stripped=self._stripped, trust=True)
            name, choice = segmenter.models.name, segmenter.models.choice
            found = predict_volume(
                segmenter.models.networks, looked.stack, {name: choice}, tta=segmenter.tta, apart=looked.apart
            )
            prepared = Prepared(looked.stack, found.probabilities[name])
            self._ready = prepared, OnScan(self._answerer or best_answerer(), looked.canvas)
        except Exception as error:  # it is said to whoever clicks
            self._problem = error


@cache
def _segmenter() -> Segmenter:
    """The fast network that is shipped, loaded once for all cases."""
    fast = PRESETS[FAST]
    return Segmenter(load_models(None, fast.model, precision=fast.precision), tta=fast.tta)
