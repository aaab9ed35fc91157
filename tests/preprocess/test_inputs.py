import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainseg.data.slices import SliceSet
from brainseg.preprocess.inputs import (
    Box,
    InputParams,
    box_of,
    brain_box,
    network_batches,
    network_input,
    network_target,
    slices_apart,
    to_slice_grid,
)


def params(**changes: object) -> InputParams:
    content = {"input_size": 64, "crop_to_brain": True, "normalization": "zscore", "neighbours": 0, "mirror": False}
    return InputParams(**(content | changes))


def head(height: int = 96, width: int = 80, top: int = 20, left: int = 10, side: int = 40, n: int = 3) -> SliceSet:
    brain = np.zeros((n, height, width), bool)
    brain[1:, top : top + side, left : left + side] = True
    rng = np.random.default_rng(1)
    images = rng.integers(20, 200, (n, height, width, 3), np.uint8) * brain[..., None]
    masks = np.zeros_like(brain)
    masks[1, top + 8 : top + 24, left + 4 : left + 28] = True
    return SliceSet(images.astype(np.uint8), masks, brain, np.arange(1, n + 1))


def test_box_is_square_around_the_brain_with_margin() -> None:
    assert brain_box(head().brain) == Box(16, 6, 48)
    assert brain_box(np.ones((2, 30, 50), bool)) == Box(-10, 0, 50)
    assert brain_box(np.zeros((2, 30, 50), bool)) == Box(-10, 0, 50)
    assert box_of(head(), params(crop_to_brain=False)) == Box(0, -8, 96)


def test_zscore_is_by_volume_and_channel_inside_the_brain() -> None:
    volume = head()
    out = network_input(volume, params(input_size=96, crop_to_brain=False))
    assert out.dtype == np.float32
    assert out.shape == (3, 3, 96, 96)
    inside = out.transpose(0, 2, 3, 1)[:, :, 8:88][volume.brain]
    np.testing.assert_allclose(inside.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(inside.std(0), 1, atol=1e-4)
    assert (out.transpose(0, 2, 3, 1)[:, :, 8:88][~volume.brain] == 0).all()


def test_percentile_maps_1_and_99_onto_minus_1_and_1() -> None:
    volume = head()
    out = network_input(volume, params(input_size=96, crop_to_brain=False, normalization="percentile"))
    inside = out.transpose(0, 2, 3, 1)[:, :, 8:88][volume.brain]
    np.testing.assert_allclose(np.percentile(inside, [1, 99], axis=0).T, [[-1, 1]] * 3, atol=1e-4)


def test_intensities_do_not_depend_on_which_slices_are_kept() -> None:
    volume = head()
    keep = np.array([False, True, False])
    np.testing.assert_array_equal(network_input(volume, params(), keep), network_input(volume, params())[1:2])


def test_flat_volume_stays_finite() -> None:
    flat = SliceSet(
        np.full((2, 32, 32, 3), 7, np.uint8), np.zeros((2, 32, 32), bool), np.ones((2, 32, 32), bool), np.arange(2)
    )
    assert (network_input(flat, params(input_size=32)) == 0).all()


def test_neighbours_and_mirror_are_blocks_of_three_channels() -> None:
    volume = head()
    volume.images[0] //= 2  # slices that differ
    volume.images[2] //= 3
    alone = network_input(volume, params())
    around = network_input(volume, params(neighbours=1))
    assert around.shape == (3, 9, 64, 64)
    assert params(neighbours=1).channels == 9
    np.testing.assert_array_equal(around[:, :3], alone)
    np.testing.assert_array_equal(around[1:, 3:6], alone[:-1])  # below
    np.testing.assert_array_equal(around[:-1, 6:], alone[1:])  # above
    assert not around[0, 3:6].any()  # beyond the ends
    assert not around[-1, 6:].any()
    both = network_input(volume, params(neighbours=2, mirror=True), np.array([False, True, False]))
    assert both.shape == (1, 18, 64, 64)
    np.testing.assert_array_equal(both[0, :9], around[1])
    assert not both[0, 9:15].any()
    np.testing.assert_array_equal(both[0, 15:], alone[1][..., ::-1])


@pytest.mark.parametrize(
    ("thickness", "slices"), [(None, 1), (8.0, 1), (5.0, 1), (3.5, 1), (3.0, 2), (2.5, 2), (1.0, 5), (0.5, 10)]
)
def test_neighbours_of_thin_slices_are_as_far_away_as_those_of_thick_ones(thickness: float, slices: int) -> None:
    assert slices_apart(thickness) == slices


def test_neighbours_may_lie_several_slices_apart() -> None:
    volume = head()
    volume.images[0] //= 2
    volume.images[2] //= 3
    alone = network_input(volume, params())
    [(places, seen)] = network_batches(volume, params(neighbours=1), np.array([0, 2]), 8, apart=2)
    assert places.tolist() == [0, 2]
    np.testing.assert_array_equal(seen[:, :3], alone[[0, 2]])
    np.testing.assert_array_equal(seen[0, 6:], alone[2])
    np.testing.assert_array_equal(seen[1, 3:6], alone[0])
    assert not seen[0, 3:6].any()
    assert not seen[1, 6:].any()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 40), st.integers(0, 30), st.integers(24, 48), st.sampled_from([32, 64, 96]))
def test_target_comes_back_to_its_place(top: int, left: int, side: int, size: int) -> None:
    """Down to the network's grid and back: the same place within a pixel's rounding, no half-pixel shift."""
    volume = head(top=top, left=left, side=side)
    chosen = params(input_size=size)
    keep = np.array([False, True, False])
    target = network_target(volume, chosen, keep)
    back = to_slice_grid(target.astype(np.float32), box_of(volume, chosen), 96, 80)[0] >= 0.5
    truth = volume.masks[1]
    assert 2 * (back & truth).sum() / (back.sum() + truth.sum()) > 0.9
    centre = [np.argwhere(mask).mean(0) for mask in (back, truth)]
    np.testing.assert_allclose(centre[0], centre[1], atol=0.75)


def test_exact_without_resizing() -> None:
    volume = head()
    chosen = params(input_size=96, crop_to_brain=False)
    keep = np.ones(3, bool)
    target = network_target(volume, chosen, keep)
    back = to_slice_grid(target.astype(np.float32), box_of(volume, chosen), 96, 80)
    np.testing.assert_array_equal(back >= 0.5, volume.masks)


def test_size_that_cannot_be_halved_five_times() -> None:
    with pytest.raises(ValueError, match="multiple of 32, for example 224"):
        params(input_size=220)
