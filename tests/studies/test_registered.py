"""The known motion, and what is said of it."""

import numpy as np
import pytest

from brainseg.scans.motion import Motion
from studies.registered import DEGREES, SHIFT_MM, largest, motion_of


def test_the_known_motion_is_what_is_said():
    middle = np.array([120.0, 110.0, 70.0])
    motion = Motion(motion_of(middle), middle, still=False)
    assert motion.degrees == pytest.approx(DEGREES)
    assert motion.shift_mm == pytest.approx(np.linalg.norm(SHIFT_MM))
    np.testing.assert_allclose(motion.matrix[:3, :3] @ motion.matrix[:3, :3].T, np.eye(3), atol=1e-12)


def test_the_largest_of_each_measure():
    rows = [dict.fromkeys(("left_mm", "left_degrees", "rest_mm", "rest_degrees"), value) for value in (0.1, 0.3)]
    assert largest(rows) == dict.fromkeys(rows[0], 0.3)
