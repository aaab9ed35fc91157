from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainseg.scans.canvas import PIXEL_MM, Canvas, canvas_for, from_canvas, mask_from_canvas, to_canvas
from brainseg.scans.scan import fill_sequences


def test_slices_like_the_training_data_stay_as_they_are():
    images = np.random.default_rng(0).integers(0, 256, (2, 256, 256, 3), np.uint8)
    canvas = canvas_for(256, 256, None)
    np.testing.assert_array_equal(to_canvas(images, canvas), images)
    volume = images[..., 0].astype(np.float32)
    np.testing.assert_array_equal(from_canvas(volume, canvas), volume)


def test_without_spacing_the_longer_side_is_240_mm():
    assert canvas_for(512, 384, None) == Canvas(512, 384, 256, 192, 256)


def test_with_spacing_a_pixel_is_as_wide_as_in_training():
    assert canvas_for(100, 64, (5.0, 1.875, 3.75)) == Canvas(100, 64, 200, 256, 256)
    assert canvas_for(400, 300, (5.0, PIXEL_MM, PIXEL_MM)).side == 400


def test_half_as_large_and_back_by_hand():
    canvas = Canvas(4, 4, 2, 2, 4)
    plane = np.array([[0, 0, 8, 8], [0, 0, 8, 8], [4, 4, 16, 16], [4, 4, 16, 16]], np.float32)
    images = np.repeat(plane[None, ..., None], 3, axis=-1)
    found = to_canvas(images, canvas)
    expected = np.zeros((4, 4), np.uint8)
    expected[1:3, 1:3] = np.rint(np.array([[0, 8], [4, 16]]) * 255 / 16)
    np.testing.assert_array_equal(found[0, ..., 0], expected)
    back = from_canvas(found[..., 0].astype(np.float32), canvas)
    assert back.shape == (1, 4, 4)
    assert (back[0, 0, 0], back[0, -1, -1]) == (0, 255)


def test_a_normalised_scan_keeps_its_background_black():
    """Around a brain of -3 to 3 stands 0, which is not the darkest."""
    images = np.zeros((1, 256, 256, 3), np.float32)
    images[0, 100:150, 100:150] = np.linspace(-3, 3, 50)[:, None, None]
    found = to_canvas(images, canvas_for(256, 256, None))
    assert found[0, 0, 0].tolist() == [0, 0, 0]
    assert found[0, 149, 120].tolist() == [255] * 3
    assert found[0, 124, 120, 0] in range(122, 130)
    images[0, 124, 120] = 0  # tissue of the background's value stays tissue
    assert to_canvas(images, canvas_for(256, 256, None))[0, 124, 120, 0] in range(126, 129)


def test_a_few_far_brighter_voxels_do_not_darken_the_rest():
    images = np.tile(np.linspace(0, 100, 256, dtype=np.float32)[None, None, :, None], (4, 256, 1, 3))
    images[0, 0, 0] = 1e5
    assert to_canvas(images, canvas_for(256, 256, None))[1, 5, 128, 0] in range(125, 131)


@settings(max_examples=30, deadline=None)
@given(st.integers(20, 300), st.integers(20, 300), st.floats(0.4, 6), st.floats(0.4, 6))
def test_a_disk_comes_back_where_it_was(height, width, row_mm, column_mm):
    y, x = np.mgrid[:height, :width]
    middle = (height - 1) * 0.4, (width - 1) * 0.6
    # round in millimetres, five canvas pixels or four of its own at least, soft by a pixel
    radius = max(0.3 * min(height * row_mm, width * column_mm), 5 * PIXEL_MM, 4 * max(row_mm, column_mm))
    distance = np.hypot((y - middle[0]) * row_mm, (x - middle[1]) * column_mm)
    disk = np.clip((radius - distance) / max(row_mm, column_mm) + 0.5, 0, 1).astype(np.float32)
    canvas = canvas_for(height, width, (5.0, row_mm, column_mm))
    images = np.repeat((disk[None, ..., None] * 255).astype(np.uint8), 3, axis=-1)
    back = from_canvas(to_canvas(images, canvas)[..., 1].astype(np.float32) / 255, canvas)[0]
    weight = disk.sum(), back.sum()
    for axis_positions, mm in ((y, row_mm), (x, column_mm)):
        shift = (axis_positions * disk).sum() / weight[0] - (axis_positions * back).sum() / weight[1]
        assert abs(shift) * mm < 0.25 * max(PIXEL_MM, mm)


@pytest.mark.parametrize("side", [256, 300])
def test_flair_for_all_sequences_is_laid_out_as_three_copies_of_it_are(side):
    flair = np.random.default_rng(0).normal(100, 30, (3, side, side)).astype(np.float32)
    view, canvas = fill_sequences({"flair": flair}), canvas_for(side, side, None)
    assert np.shares_memory(view, flair)
    np.testing.assert_array_equal(to_canvas(view, canvas), to_canvas(view.copy(), canvas))


@settings(max_examples=20, deadline=None)
@given(st.integers(20, 300), st.integers(20, 300), st.floats(0.1, 0.9))
def test_a_mask_comes_back_as_its_floats_do(height, width, threshold):
    canvas = canvas_for(height, width, None)
    volume = np.random.default_rng(height).random((2, canvas.side, canvas.side), dtype=np.float32)
    found = mask_from_canvas(volume, canvas, threshold)
    np.testing.assert_array_equal(found, from_canvas(volume, canvas) >= threshold)
