import base64

import cv2
import numpy as np
import pytest

from brainseg.report.pictures import MARGIN_PX, data_url, outline, white_of, window_of


def test_the_window_is_the_brain_with_a_margin():
    brain = np.zeros((3, 100, 80), bool)
    brain[0, 30:40, 20] = True
    brain[2, 50, 2:60] = True
    rows, columns = window_of(brain)
    assert (rows.start, rows.stop) == (30 - MARGIN_PX, 51 + MARGIN_PX)
    assert (columns.start, columns.stop) == (0, 60 + MARGIN_PX)
    assert window_of(np.zeros((1, 5, 7), bool)) == (slice(0, 5), slice(0, 7))


def test_a_picture_survives_its_url():
    grey = np.tile(np.linspace(0, 100, 64), (48, 1))
    url = data_url(grey, white=100)
    kind, _, content = url.partition(",")
    assert kind == "data:image/jpeg;base64"
    back = cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert back.shape == (48, 64)
    assert np.abs(back - grey * 2.55).mean() < 3


def test_white_leaves_out_the_brightest_few():
    stack = np.full((1, 100, 100), 50, np.uint8)
    stack[0, 0, :5] = 255
    assert white_of(stack) == 50
    assert white_of(np.zeros((1, 4, 4), np.uint8)) == 1


def test_an_outline_runs_between_pixels():
    mask = np.zeros((6, 8), bool)
    assert outline(mask) == ""
    mask[2:4, 3:6] = True
    points = np.array([p.split(",") for p in outline(mask).strip("MZ").split()], float)
    # half a pixel outside of the pixels' centres: the edge of the pixels themselves
    assert (points.min(0).tolist(), points.max(0).tolist()) == ([3, 2], [6, 4])
    mask[0, 0] = True
    assert outline(mask).count("M") == 2


@pytest.mark.parametrize("where", [(0, slice(None)), (-1, slice(None)), (slice(None), 0), (slice(None), -1)])
def test_an_outline_closes_at_the_border(where):
    mask = np.zeros((5, 6), bool)
    mask[where] = True
    assert outline(mask).endswith("Z")
    assert outline(mask).count("M") == 1
