import numpy as np
import pytest

from brainseg.scans.grey import white_level


@pytest.mark.parametrize(
    ("values", "white"), [(np.arange(1001), 995), (np.zeros(9), 1), (np.array([], int), 1), (np.full(3, -2.5), -2.5)]
)
def test_white_is_what_one_in_two_hundred_exceeds(values, white):
    assert white_level(values) == white
