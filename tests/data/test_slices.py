from pathlib import Path

import numpy as np
import pytest

from brainseg.data import slices
from brainseg.data.slices import SliceSet
from brainseg.errors import DataError


def make(n: int = 3, size: int = 8) -> SliceSet:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n, size, size, 3), np.uint8)
    masks = rng.random((n, size, size)) < 0.3
    return SliceSet(images, masks, np.ones_like(masks), np.arange(1, n + 1))


def test_round_trip_and_same_bytes(tmp_path: Path) -> None:
    first = make()
    for name in ("a.npz", "b.npz"):
        slices.save(tmp_path / name, first)
    again = slices.load(tmp_path / "a.npz")
    for field in ("images", "masks", "brain", "slices"):
        np.testing.assert_array_equal(getattr(again, field), getattr(first, field))
        assert getattr(again, field).dtype == getattr(first, field).dtype
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": np.zeros((3, 8, 8), np.uint8)}, "expected uint8"),
        ({"images": np.zeros((3, 8, 8, 3), np.float32)}, "float32"),
        ({"masks": np.zeros((3, 8, 8), np.uint8)}, "masks are uint8"),
        ({"brain": np.zeros((3, 8, 7), bool)}, r"brain are bool \(3, 8, 7\)"),
        ({"slices": np.array([1, 3, 2])}, "do not rise"),
        ({"slices": np.array([1, 2])}, "3 images"),
    ],
)
def test_arrays_that_do_not_fit(changes: dict, words: str) -> None:
    good = make()
    arrays = {f: getattr(good, f) for f in ("images", "masks", "brain", "slices")} | changes
    with pytest.raises(DataError, match=words):
        SliceSet(**arrays)


def test_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "p.npz"
    with pytest.raises(DataError, match="does not exist"):
        slices.load(path)
    slices.save(path, make())
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DataError, match="is not a slice set"):
        slices.load(path)
    np.savez(path, images=np.zeros(1))
    with pytest.raises(DataError, match="is not a slice set"):
        slices.load(path)


def test_patients(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no slice set"):
        slices.patients(tmp_path)
    for name in ("B", "A"):
        slices.save(tmp_path / f"{name}.npz", make())
    assert slices.patients(tmp_path) == ["A", "B"]
