import numpy as np

from brainseg.correct.clicks.inputs import REACH
from brainseg.correct.clicks.rehearsal import BEYOND, STEP, rehearse, signed_distance, wrong_mask
from brainseg.evaluation.overlap import overlap
from tests.correct.drawn import disk, stack_of

TRUTH = stack_of({z: disk(32, 30, 14 - 2 * abs(z - 4)) for z in range(2, 7)}, 9)
IMAGES = np.random.default_rng(0).normal(0, 0.3, (9, 3, 64, 64)).astype(np.float32) + TRUTH[:, None]


def test_distance_to_the_outline() -> None:
    found = signed_distance(TRUTH)
    assert np.array_equal(found > 0, TRUTH)
    assert abs(found[4, 32, 30] - 200**0.5) < 0.3
    assert abs(found[4, 32, 54] + 10) < 0.3
    assert found[1, 32, 30] == -BEYOND
    assert found[1, 32, 42] == found[2, 32, 42] - STEP


def test_masks_are_wrong_in_many_ways_and_the_same_draws_give_the_same() -> None:
    dice = [overlap(TRUTH, wrong_mask(TRUTH, IMAGES, np.random.default_rng(seed))).dice for seed in range(40)]
    assert 0.5 < np.median(dice) < 0.95
    assert min(dice) < 0.6
    again = wrong_mask(TRUTH, IMAGES, np.random.default_rng(3))
    assert np.array_equal(again, wrong_mask(TRUTH, IMAGES, np.random.default_rng(3)))


def test_the_last_click_is_still_to_be_answered() -> None:
    for seed in range(12):
        found = rehearse(TRUTH, IMAGES, np.random.default_rng(seed))
        assert found is not None
        assert len(found.chosen) <= 2 * REACH + 1
        assert found.maps.max() == 1
        truth = TRUTH[found.chosen] if found.wanted is None else found.wanted == 1
        wanted = {True: truth & (found.marked == 0), False: ~truth & (found.marked == 1)}
        full = np.argwhere(found.maps == 1)
        open_clicks = [(z, kind, r, c) for z, kind, r, c in full if wanted[kind == 0][z, r, c]]
        assert open_clicks, seed


def test_nothing_to_learn_where_there_is_no_tumour_and_no_error() -> None:
    empty = np.zeros_like(TRUTH)
    assert rehearse(empty, np.zeros_like(IMAGES), np.random.default_rng(0)) is None


def test_mostly_another_mask_is_wanted_than_the_one_that_the_network_knows_by_heart() -> None:
    found = [rehearse(TRUTH, IMAGES, np.random.default_rng(seed)) for seed in range(30)]
    wanted = [each for each in found if each is not None and each.wanted is not None]
    assert 18 <= len(wanted) <= 29
    assert all((each.wanted != TRUTH[each.chosen]).any() for each in wanted)
