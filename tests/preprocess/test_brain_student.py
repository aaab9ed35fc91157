"""The light network for the brain, and deepbet behind its gate."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from brainseg.data.phantom import PhantomParams, make_patient
from brainseg.errors import DataError
from brainseg.preprocess import brain_student
from brainseg.preprocess.agreement import Guess
from brainseg.preprocess.brain_student import CHANNELS, SIDE, STUDENT, StudentStripper, agreement, student_input

BOX = slice(40, 100), slice(30, 98)
"""Of the network's grid."""


class Second:
    """What is asked where the network is unsure."""

    def __init__(self) -> None:
        self.built = self.asked = 0

    def __call__(self) -> Second:
        self.built += 1
        return self

    def find(self, images: np.ndarray) -> Guess:
        self.asked += 1
        return Guess(np.ones(images.shape[:3], bool), "deepbet")


def stripper(monkeypatch: pytest.MonkeyPatch, network: object, second: Second) -> StudentStripper:
    """Gated at 0.08 and 0.4, with another network than the shipped one."""
    monkeypatch.setattr(brain_student, "compile_graph", lambda parts: network)
    return StudentStripper(second, 0.08, 0.4)


def logits(columns: slice, mirrored_columns: slice) -> object:
    """A network that sees a box; of mirror images, whose left half is brighter, another one."""

    def network(inputs: np.ndarray) -> np.ndarray:
        out = np.full((len(inputs), 1, SIDE, SIDE), -9, np.float32)
        mirrored = inputs[0, 0, :, : SIDE // 2].mean() > inputs[0, 0, :, SIDE // 2 :].mean()
        out[:, 0, BOX[0], mirrored_columns if mirrored else columns] = 9
        return out

    return network


IMAGES = np.tile(np.arange(256, dtype=np.uint8)[:, None], (20, 256, 1, 3))
"""Brighter to the right."""


def test_what_it_is_sure_of_it_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    second = Second()
    found = stripper(monkeypatch, logits(BOX[1], BOX[1]), second).find(IMAGES)
    expected = np.zeros(IMAGES.shape[:3], bool)
    expected[:, 80:200, 60:196] = True
    assert found.method == "student"
    np.testing.assert_array_equal(found.mask, expected)
    assert second.built == 0, "deepbet takes a second to load"


@pytest.mark.parametrize(
    ("columns", "mirrored"),
    [
        (BOX[1], slice(38, 106)),  # another brain in the mirror image: 60 of 68 columns are the same, Dice 0.88
        (slice(30, 40), slice(88, 98)),  # 4% of the volume
        (slice(0, 128), slice(0, 128)),  # 47% of it
        (slice(0, 0), slice(0, 0)),
    ],
)
def test_what_it_is_unsure_of_is_asked_of_deepbet(
    columns: slice, mirrored: slice, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = Second()
    unsure = stripper(monkeypatch, logits(columns, mirrored), second)
    for times in (1, 2):
        assert unsure.find(IMAGES).method == "deepbet"
        assert (second.built, second.asked) == (1, times)


@pytest.mark.parametrize("count", [1, 14, 101])
def test_thicker_and_thinner_slices_than_it_knows_are_deepbets(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.repeat(IMAGES[:1], count, 0)
    assert stripper(monkeypatch, logits(BOX[1], BOX[1]), Second()).find(images).method == "deepbet"


def test_it_sees_all_sequences_of_three_slices() -> None:
    images = np.random.default_rng(0).integers(1, 255, (4, 256, 256, 3), dtype=np.uint8)
    found = student_input(images)
    assert found.shape == (4, CHANNELS, SIDE, SIDE)
    np.testing.assert_array_equal(found[1, 3:6], found[0, :3])
    np.testing.assert_array_equal(found[1, 6:9], found[2, :3])
    assert not found[0, 3:6].any()
    assert not found[-1, 6:9].any()
    small = images.reshape(4, SIDE, 2, SIDE, 2, 3).mean((2, 4)).round()
    for channel in range(3):
        values = small[..., channel]
        tissue = values[values > 0.1 * np.percentile(values, 99.5)]
        expected = ((values - tissue.mean()) / tissue.std()).clip(-5, 5)
        np.testing.assert_allclose(found[:, channel], expected, atol=0.03)  # one grey level


def test_agreement_is_dice() -> None:
    a, b = np.zeros((1, 4, 4), np.float32), np.zeros((1, 4, 4), np.float32)
    assert agreement(a, b) == 0
    a[0, 0, :3], b[0, 0, 1:4] = 1, 1
    assert agreement(a, b) == pytest.approx(2 / 3)


def test_the_shipped_network_finds_the_brain_of_a_synthetic_patient() -> None:
    patient = make_patient(1, PhantomParams(patients=2, slices=20, size=256), 3)
    second = Second()
    found = StudentStripper(second, 0.08, 0.4).find(patient.images)
    assert found.mask.dtype == np.bool_
    assert found.mask.shape == patient.images.shape[:3]
    again = StudentStripper(second, 0.08, 0.4).find(patient.images)
    np.testing.assert_array_equal(found.mask, again.mask)


def test_a_damaged_graph_is_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(STUDENT, tmp_path / "student")
    path = folder / "student.bin"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"student\.bin is damaged or another file"):
        StudentStripper(Second(), 0.08, 0.4, folder)
