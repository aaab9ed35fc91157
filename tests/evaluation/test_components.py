import numpy as np
import pytest

from brainseg.errors import DataError
from brainseg.evaluation.components import Components, count_components


def test_parts_by_hand():
    truth, prediction = np.zeros((2, 4, 20, 20), bool)
    truth[0, 2:6, 2:6] = True  # found by one voxel
    prediction[0, 5:8, 5:8] = True
    truth[1, 6, 6] = True  # joined to the first across a corner, in 3-D
    truth[3, 10:14, 10:14] = True  # missed
    prediction[0, 15:17, 2:4] = True  # false
    prediction[3, 0:2, 0:2] = True  # false
    assert count_components(truth, prediction) == Components(truth=2, missed=1, predicted=3, false=2)


def test_empty_masks_have_no_parts():
    empty = np.zeros((2, 5, 5), bool)
    full = ~empty
    assert count_components(empty, empty) == Components(0, 0, 0, 0)
    assert count_components(full, empty) == Components(1, 1, 0, 0)
    assert count_components(empty, full) == Components(0, 0, 1, 1)
    assert count_components(full, full) == Components(1, 0, 1, 0)


def test_shapes_must_agree():
    with pytest.raises(DataError, match="two bool arrays of one shape"):
        count_components(np.zeros((1, 2, 2), bool), np.zeros((1, 2, 3), bool))
