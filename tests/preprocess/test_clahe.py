"""CLAHE inside the brain: by hand, against OpenCV itself, and by invariants."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import distance_transform_edt

from brainseg.data.slices import SliceSet
from brainseg.errors import ParamsError
from brainseg.params import shipped_section, validate
from brainseg.preprocess.clahe import ClaheParams, _nearest_inside, apply_clahe


def slice_set(images: np.ndarray, brain: np.ndarray | None = None) -> SliceSet:
    n = len(images)
    brain = np.ones(images.shape[:3], bool) if brain is None else brain
    return SliceSet(images * brain[..., None], np.zeros(images.shape[:3], bool), brain, np.arange(n))


def random_images(n: int = 2, side: int = 40, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


def clahe_params(**changes: object) -> ClaheParams:
    return shipped_section("clahe", ClaheParams, **({"enabled": True} | changes))


def test_disabled_returns_the_input_itself() -> None:
    given_set = slice_set(random_images())
    assert apply_clahe(given_set, clahe_params(enabled=False)) is given_set


def test_one_tile_without_clipping_is_histogram_equalisation_by_hand() -> None:
    plane = np.array([[10, 10, 20, 30]], np.uint8).repeat(4, 0)
    images = np.repeat(plane[None, ..., None], 3, axis=3)
    out = apply_clahe(slice_set(images), clahe_params(clip_limit=100, tile_grid=1)).images
    # cumulative shares 1/2, 3/4, 1 of 255; the limit 100 * 16 / 256 = 6 pixels clips 2 + 0 + 0 of the 8,
    # which go to the first bin of every 128, that is to 0 and 128: shares 7/16, 11/16, 15/16 of 255
    expected = np.rint(np.array([7, 7, 11, 15]) / 16 * 255).astype(np.uint8)
    np.testing.assert_array_equal(out, np.broadcast_to(expected[None, None, :, None], out.shape))


def test_rectangular_brain_equals_opencv_on_its_box() -> None:
    images = random_images()
    brain = np.zeros(images.shape[:3], bool)
    brain[0, 3:35, 4:30] = brain[1, 10:40, 0:40] = True
    out = apply_clahe(slice_set(images, brain), clahe_params(clip_limit=3.0, tile_grid=4)).images
    clahe = cv2.createCLAHE(3.0, (4, 4))
    for channel in range(3):
        np.testing.assert_array_equal(
            out[0, 3:35, 4:30, channel], clahe.apply(np.ascontiguousarray(images[0, 3:35, 4:30, channel]))
        )
        np.testing.assert_array_equal(
            out[1, 10:, :, channel], clahe.apply(np.ascontiguousarray(images[1, 10:, :, channel]))
        )
    assert not out[~brain].any()


@given(hnp.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))).filter(np.any))
def test_background_takes_the_value_of_a_nearest_brain_pixel(inside: np.ndarray) -> None:
    index = _nearest_inside(inside)
    np.testing.assert_array_equal(index[inside], np.flatnonzero(inside))
    assert inside.ravel()[index].all()
    rows, columns = np.indices(inside.shape)
    distance = np.hypot(rows - index // inside.shape[1], columns - index % inside.shape[1])
    # OpenCV measures with 5 x 5 chamfer steps, which are a few per cent off the Euclidean distance.
    assert (distance <= 1.06 * distance_transform_edt(~inside) + 1e-9).all()


def test_a_flat_brain_stays_flat_whatever_its_shape() -> None:
    rows, columns = np.mgrid[-1:1:32j, -1:1:32j]
    brain = (rows**2 + columns**2 < 0.8)[None]
    images = np.full((1, 32, 32, 3), 90, np.uint8)
    out = apply_clahe(slice_set(images, brain), clahe_params(tile_grid=4)).images
    assert len(np.unique(out[brain])) == 1
    assert out[brain].min() > 0


def test_channels_and_slices_do_not_mix() -> None:
    images = random_images(n=3)
    params = clahe_params(tile_grid=4)
    whole = apply_clahe(slice_set(images), params).images
    for i in range(3):
        np.testing.assert_array_equal(apply_clahe(slice_set(images[i : i + 1]), params).images[0], whole[i])
    rolled = apply_clahe(slice_set(np.roll(images, 1, axis=3)), params).images
    np.testing.assert_array_equal(rolled, np.roll(whole, 1, axis=3))


def test_slices_too_small_pass_unchanged() -> None:
    images = random_images(n=3)
    brain = np.zeros(images.shape[:3], bool)
    brain[1, 5:12, :] = True  # 7 rows, fewer than 8 tiles
    brain[2, 5:13, :] = True
    given_set = slice_set(images, brain)
    out = apply_clahe(given_set, clahe_params(tile_grid=8)).images
    np.testing.assert_array_equal(out[:2], given_set.images[:2])
    assert (out[2] != given_set.images[2]).any()


@settings(max_examples=50, deadline=None)
@given(
    hnp.arrays(np.uint8, (2, 12, 14, 3)),
    hnp.arrays(bool, (2, 12, 14)),
    st.floats(0.5, 100),
    st.integers(1, 12),
)
def test_invariants(images: np.ndarray, brain: np.ndarray, clip: float, tiles: int) -> None:
    given_set = slice_set(images, brain)
    before = given_set.images.copy()
    out = apply_clahe(given_set, clahe_params(clip_limit=clip, tile_grid=tiles))
    assert out.images.dtype == np.uint8
    assert not out.images[~brain].any()
    np.testing.assert_array_equal(given_set.images, before)
    if tiles == 1:  # one mapping for the slice: grey values keep their order
        for image, kept, inside in zip(before, out.images, brain, strict=True):
            for channel in range(3):
                values = kept[inside, channel][np.argsort(image[inside, channel], kind="stable")]
                assert (np.diff(values.astype(int)) >= 0).all()


@pytest.mark.parametrize(
    "raw",
    [{"clip_limit": 0}, {"clip_limit": 101.0}, {"tile_grid": 0}, {"tile_grid": 2.0}, {"enabled": "yes"}],
)
def test_bad_parameters_are_named(raw: dict) -> None:
    with pytest.raises(ParamsError, match=f"clahe.{next(iter(raw))} is"):
        validate(raw, ClaheParams, where="clahe")
