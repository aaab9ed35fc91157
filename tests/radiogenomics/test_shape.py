"""Known shapes, and what may not change them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from brainseg.errors import DataError
from brainseg.radiogenomics.shape import ellipsoid_volume_ratio, margin_fluctuation, shape_features
from tests.params import shape_params

ISOTROPIC = shape_params(thickness=1.0)
IN_A_BOX = 2 / (np.pi * np.sqrt(3))
"""A box's share of the least ellipsoid around it."""


def ellipsoid(a, b, c, margin=3):
    z, y, x = np.ogrid[-a - margin : a + margin + 1, -b - margin : b + margin + 1, -c - margin : c + margin + 1]
    return (z / a) ** 2 + (y / b) ** 2 + (x / c) ** 2 <= 1


def star(arms, depth=0.2, radius=70, turn=0.0):
    y, x = np.mgrid[-100:101, -100:101]
    return (np.hypot(y, x) < radius * (1 + depth * np.cos(arms * (np.arctan2(y, x) - turn))))[None]


def box(*sides):
    mask = np.zeros([side + 6 for side in sides], bool)
    mask[tuple(slice(3, 3 + side) for side in sides)] = True
    return mask


def test_a_ball_is_round_and_fills_its_ellipsoid():
    ratios = []
    for radius in (8, 16, 32):
        found = shape_features(ellipsoid(radius, radius, radius), ISOTROPIC)
        # voxels' corners lie up to half a diagonal, 0.87, outside: the ratio comes near 1 as the ball grows
        assert 0.98 * (radius / (radius + 0.87)) ** 3 < found.bevr < 1
        assert found.asd < 0.25 / radius
        assert found.mf < 0.25 / radius
        assert (found.components, found.z, found.y, found.x) == (1, 0.5, 0.5, 0.5)
        ratios.append(found.bevr)
    assert ratios == sorted(ratios)
    assert ratios[-1] > 0.92


def test_an_ellipsoid_fills_its_own_though_it_is_not_round():
    found = shape_features(ellipsoid(20, 30, 45), ISOTROPIC)
    assert found.bevr > 0.9
    assert found.asd > 0.03


@pytest.mark.parametrize("sides", [(1, 1, 1), (10, 10, 10), (1, 7, 20), (4, 9, 30)])
def test_boxes_are_exact(sides):
    found = shape_features(box(*sides), ISOTROPIC)
    assert found.bevr == pytest.approx(IN_A_BOX, rel=1e-3)
    assert (found.volume, found.slices) == (np.prod(sides), sides[0])


@pytest.mark.parametrize("arms", [3, 5, 10, 20])
def test_stars_by_their_formula(arms):
    """Deviations of 1 + depth cos(arms t) along its own outline, computed without any mask."""
    depth, t = 0.2, np.linspace(0, 2 * np.pi, 20_001)
    curve = (1 + depth * np.cos(arms * t)) * np.exp(1j * t)
    along = np.append(0, np.abs(np.diff(curve)).cumsum())
    at = np.interp(np.arange(360) / 360 * along[-1], along, t)
    radii = 1 + depth * np.cos(arms * at)
    radii /= radii.mean()
    which = (at / (2 * np.pi) * 10).astype(int)
    found = shape_features(star(arms, depth), ISOTROPIC)
    assert found.mf == pytest.approx(margin_fluctuation(radii, 0.1), rel=0.03)
    if arms % 5:  # otherwise where the bins begin matters: see the next test
        return
    assert found.asd == pytest.approx(np.mean([radii[which == i].std() for i in range(10)]), rel=0.05)


def test_more_and_deeper_arms_fluctuate_more():
    depths = [shape_features(star(10, depth), ISOTROPIC).mf for depth in (0.0, 0.05, 0.1, 0.2)]
    assert depths == sorted(depths)
    arms = [shape_features(star(n, 0.1), ISOTROPIC).mf for n in (2, 4, 8)]
    assert arms == sorted(arms)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 5000), st.sampled_from(["left-right", "up-down", "turn"]), st.integers(1, 12))
def test_flips_turns_shifts_and_thickness_change_nothing(seed, how, thickness):
    random = np.random.default_rng(seed)
    mask = ndimage.gaussian_filter(random.normal(size=(6, 40, 40)), (0.5, 3, 3)) > 0.05
    ways = {"left-right": mask[:, :, ::-1], "up-down": mask[:, ::-1], "turn": np.rot90(mask, 2, (1, 2))}
    changed = np.pad(ways[how], ((1, 2), (3, 5), (4, 1)))
    params = shape_params(thickness=float(thickness))
    a, b = shape_features(mask, params), shape_features(changed, params)
    assert b.mf == pytest.approx(a.mf, rel=0.02)
    assert b.asd == pytest.approx(a.asd, rel=0.25)  # points on the border between two bins change sides
    assert b.bevr == pytest.approx(a.bevr, rel=2e-3)
    assert (b.volume, b.components) == (a.volume, a.components)
    assert shape_features(mask, ISOTROPIC).bevr == pytest.approx(a.bevr, rel=2e-3)


def test_scaling_changes_only_the_volume():
    small = star(5)
    large = small.repeat(2, 1).repeat(2, 2)
    a, b = (shape_features(m, ISOTROPIC) for m in (small, large))
    assert (b.asd, b.mf, b.bevr) == pytest.approx((a.asd, a.mf, a.bevr), rel=0.03)
    assert b.volume == 4 * a.volume


def test_spacing_stretches_slices():
    """Pixels twice as wide as high: an ellipse is round again."""
    flat = ellipsoid(1, 40, 20)
    assert shape_features(flat, ISOTROPIC, (1, 1, 2)).asd < 0.01 < shape_features(flat, ISOTROPIC).asd
    assert shape_features(flat, ISOTROPIC, (5, 1, 2)).volume == 10 * flat.sum()


def test_two_components_and_the_larger_outline():
    mask = box(5, 20, 20)
    mask = np.concatenate([mask, np.zeros_like(mask), mask[:, :, :8]], axis=2)
    found, alone = shape_features(mask, ISOTROPIC), shape_features(box(5, 20, 20), ISOTROPIC)
    assert found.components == 2
    assert (found.asd, found.mf) == pytest.approx((alone.asd, alone.mf))  # of the largest part of the slice
    assert found.bevr < alone.bevr
    assert found.bevr_largest == pytest.approx(alone.bevr) == alone.bevr_largest


def test_a_hole_does_not_move_the_outline():
    whole = ellipsoid(1, 30, 30)
    holed = whole.copy()
    holed[:, 30:36, 20:30] = False
    a, b = (shape_features(m, ISOTROPIC) for m in (whole, holed))
    assert (b.asd, b.mf) == (a.asd, a.mf)
    assert b.volume < a.volume


def test_a_mask_at_the_border_is_whole():
    mask = box(3, 12, 9)
    assert shape_features(mask[3:6, 3:15, 3:12], ISOTROPIC).mf == shape_features(mask, ISOTROPIC).mf
    assert ellipsoid_volume_ratio(mask[3:6, 3:15, 3:12]) == pytest.approx(ellipsoid_volume_ratio(mask), rel=1e-6)


def test_a_line_has_a_shape():
    mask = np.zeros((3, 9, 9), bool)
    mask[1, 4, 1:8] = True
    found = shape_features(mask, ISOTROPIC)
    assert found.bevr == pytest.approx(IN_A_BOX, rel=1e-3)
    assert np.isfinite([found.asd, found.mf]).all()


def test_masks_that_cannot_be_measured():
    with pytest.raises(DataError, match="the mask is empty"):
        shape_features(np.zeros((2, 4, 4), bool), ISOTROPIC)
    with pytest.raises(DataError, match=r"uint8 \(2, 4, 4\), expected bool"):
        shape_features(np.ones((2, 4, 4), np.uint8), ISOTROPIC)
    with pytest.raises(DataError, match="expected bool"):
        shape_features(np.ones((4, 4), bool), ISOTROPIC)
