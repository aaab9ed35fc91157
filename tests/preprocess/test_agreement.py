from __future__ import annotations

import numpy as np

from brainseg.data.slices import FLAIR
from brainseg.preprocess.agreement import agreed_mask, other_sequences

SHAPE = (3, 40, 40)


def square(top: int, side: int) -> np.ndarray:
    picture = np.zeros(SHAPE, np.uint8)
    picture[:, top : top + side, 5 : 5 + side] = 1
    return picture


class Bright:
    """Calls brain what is not 0."""

    def brain_mask(self, flair):
        return flair > 0


def test_flair_alone_is_as_it_was():
    np.testing.assert_array_equal(agreed_mask(Bright(), square(5, 20), []), square(5, 20) > 0)


def test_what_most_do_not_see_is_cut_beyond_the_margin():
    """FLAIR sees rows 5 to 24; both others 5 to 20: two more rows are the margin."""
    flair = square(5, 20)
    other = square(5, 20)
    other[:, 21:] = 0
    found = agreed_mask(Bright(), flair, [other, other])
    expected = flair > 0
    expected[:, 23:] = False
    np.testing.assert_array_equal(found, expected)


def test_one_dissenter_of_three_changes_nothing_and_adds_nothing():
    flair, shorter, longer = square(5, 20), square(5, 16), square(3, 30)
    for dissenter in (shorter, longer):
        np.testing.assert_array_equal(agreed_mask(Bright(), flair, [flair, dissenter]), flair > 0)


def test_sequences_that_see_nothing_or_nearly_nothing_of_it_have_no_say():
    flair, nothing = square(5, 20), np.zeros(SHAPE, np.uint8)
    np.testing.assert_array_equal(agreed_mask(Bright(), flair, [nothing]), flair > 0)
    np.testing.assert_array_equal(agreed_mask(Bright(), flair, [square(5, 12)]), flair > 0)
    assert not agreed_mask(Bright(), nothing, [flair]).any()


def test_sequences_filled_with_flair_are_not_asked_again():
    images = np.random.default_rng(0).integers(0, 255, (2, 4, 4, 3), np.uint8)
    assert [other.tolist() for other in other_sequences(images)] == [images[..., c].tolist() for c in (0, 2)]
    images[..., 2] = images[..., FLAIR]
    assert len(other_sequences(images)) == 1
