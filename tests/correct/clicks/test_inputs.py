import numpy as np

from brainseg.correct.answer import Click
from brainseg.correct.clicks.inputs import CHANNELS, REACH, ClickInputs, click_maps, on_grid
from brainseg.preprocess.inputs import Box, InputParams, network_input
from tests.correct.drawn import disk, head, stack_of

PARAMS = InputParams(input_size=32, crop_to_brain=True, normalization="zscore", neighbours=0, mirror=False)


def test_a_click_is_brightest_where_it_was_made_and_fades_from_slice_to_slice() -> None:
    chosen = np.arange(9)
    maps = click_maps([Click(4, 20, 30, True)], chosen, Box(0, 0, 64), 64)
    assert maps[4, 0].max() == maps[4, 0, 20, 30] == 1
    assert np.allclose(maps[:, 0, 20, 30], [0, 1 / 4, 1 / 3, 1 / 2, 1, 1 / 2, 1 / 3, 1 / 4, 0])
    assert not maps[:, 1].any()


def test_a_click_lands_where_the_window_shows_it() -> None:
    maps = click_maps([Click(0, 40, 10, False)], np.array([0]), Box(20, -10, 80), 40)
    rows, columns = np.mgrid[:40, :40]
    weights = maps[0, 1] / maps[0, 1].sum()
    # pixel 40 is the upper half of the grid's pixel 10
    assert abs((weights * rows).sum() - 9.75) < 0.01
    assert abs((weights * columns).sum() - 9.75) < 0.01


def test_a_mask_on_the_grid() -> None:
    mask = stack_of({0: disk(32, 32, 12)}, 1)
    assert np.array_equal(on_grid(mask, Box(0, 0, 64), 64), mask.astype(np.float32))
    window = on_grid(mask, Box(-4, 8, 64), 64)[0]
    assert np.array_equal(window[4:, :56], mask[0, :60, 8:].astype(np.float32))
    half = on_grid(mask, Box(0, 0, 64), 32)[0]
    assert abs(half.sum() * 4 / mask.sum() - 1) < 0.05


def test_the_last_click_and_its_neighbours_are_asked() -> None:
    bright = stack_of({5: disk(32, 32, 12)}, 12)
    case = head(bright)
    chosen, seen = ClickInputs(case.stack, PARAMS)(bright, [Click(0, 5, 5, True), Click(5, 32, 32, False)])
    assert chosen.tolist() == list(range(5 - REACH, 5 + REACH + 1))
    assert seen.shape == (2 * REACH + 1, CHANNELS, 32, 32)
    assert seen.dtype == np.float32
    assert np.array_equal(seen[:, :3], network_input(case.stack, PARAMS)[chosen])
    assert seen[REACH, 3].sum() > 0
    assert seen[0, 4].max() > 0  # slice 2 still sees the click in slice 0
    assert seen[REACH, 5].max() > 0.9
    assert ClickInputs(case.stack, PARAMS)(bright, [Click(0, 5, 5, True)])[0].tolist() == [0, 1, 2, 3]
