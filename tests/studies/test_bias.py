"""The field that is put in, and what is said of it."""

import numpy as np
import pytest

from studies.bias import AS_IS, RATIO, summary, with_field


def test_one_side_is_twice_as_bright_as_the_other_and_nothing_is_brighter_than_before():
    images = np.full((2, 5, 9, 3), 200, np.uint8)
    changed = with_field(images)
    assert changed.dtype == np.uint8
    assert (changed[..., 0, :].min(), changed[..., -1, :].max()) == (200, 200 / RATIO)
    assert (np.diff(changed[0, 0, :, 0].astype(int)) < 0).all()
    np.testing.assert_array_equal(changed, np.broadcast_to(changed[:1, :1], changed.shape))


def test_differences_are_to_what_was_not_changed():
    rows = {
        "a": {AS_IS: 0.8, "N4": 0.9, "field": 0.7, "field, N4": 0.8},
        "b": {AS_IS: 0.6, "N4": 0.6, "field": 0.6, "field, N4": 0.7},
    }
    lines = summary(rows, seed=1)["summary"]
    assert lines[AS_IS] == {"mean": pytest.approx(0.7)}
    assert lines["N4"]["mean"] == pytest.approx(0.75)
    assert [lines[name]["difference"] for name in ("N4", "field", "field, N4")] == pytest.approx([0.05, -0.05, 0.05])
    assert (lines["N4"]["better"], lines["field"]["worse"]) == (1, 1)
