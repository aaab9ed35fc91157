"""A scan is got ready for clicks in the background; where that cannot be, a click says why."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from brainseg.correct.answer import Click
from brainseg.data.slices import Volume
from brainseg.edit import answers
from brainseg.edit.answers import Answers
from brainseg.errors import DataError, NotTrusted
from brainseg.scans.array_origin import ArrayOrigin
from brainseg.scans.canvas import canvas_for, to_canvas
from brainseg.scans.scan import Scan, fill_sequences
from brainseg.segmentation.segmenter import Looked
from tests.correct.made import FLAIR, SIDE, TUMOUR, N

SPACING = (12.0, 3.75, 3.75)
SCAN = Scan("a", fill_sequences({"flair": FLAIR}), SPACING, np.arange(N), ("flair",), (), (), ArrayOrigin())


def stand_in(monkeypatch, look):
    models = SimpleNamespace(name="a", choice=None, networks={})
    monkeypatch.setattr(answers, "_segmenter", lambda: SimpleNamespace(look=look, models=models, tta=False))
    told = SimpleNamespace(probabilities={"a": np.zeros((N, 256, 256), np.float32)})
    monkeypatch.setattr(answers, "predict_volume", lambda *_, **__: told)


def test_the_answer_comes_back_on_the_scan_s_own_grid(monkeypatch):
    asked = []

    def look(scan, **how):
        asked.append(how)
        canvas = canvas_for(SIDE, SIDE, SPACING)
        images = to_canvas(scan.images, canvas)
        return Looked(Volume(images, images[..., 1] > 50, scan.slices), None, canvas, 1)

    stand_in(monkeypatch, look)
    answer = Answers.of(SCAN, {"settings": {"stripped": True}})
    row, column = np.argwhere(TUMOUR[4]).mean(0).round().astype(int)
    mask = answer(np.zeros_like(TUMOUR), [Click(4, int(row), int(column), True)])
    assert mask.shape == TUMOUR.shape
    assert mask[4, row, column]
    assert mask.sum() > 20
    assert not (mask & ~TUMOUR).any()
    assert asked == [{"stripped": True, "trust": True}]


def test_a_scan_that_cannot_be_got_ready_is_said_at_the_click(monkeypatch):
    def refuse(scan, **_):
        raise NotTrusted("no brain is found")

    stand_in(monkeypatch, refuse)
    with pytest.raises(DataError, match=r"clicks have no answer here \(no brain is found\); use brush and eraser"):
        Answers(SCAN)(TUMOUR, [Click(0, 0, 0, True)])


def test_a_defect_stays_a_defect(monkeypatch):
    def fail(scan, **_):
        raise ZeroDivisionError

    stand_in(monkeypatch, fail)
    with pytest.raises(ZeroDivisionError):
        Answers(SCAN)(TUMOUR, [Click(0, 0, 0, True)])
