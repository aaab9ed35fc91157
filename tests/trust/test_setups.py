"""Which opinions belong to which setup, and that no network is asked again."""

from __future__ import annotations

import numpy as np
import pytest

from brainseg.data.slices import SliceSet
from brainseg.inference.postprocess import Choice
from brainseg.inference.predictor import VolumePrediction
from brainseg.trust.setups import SETUPS, all_setups, opinions, setup_of

CHOICES = {"unet": Choice(threshold=0.5), "unetpp": Choice(threshold=0.4), "ensemble": Choice(threshold=0.6)}
VALUES = {"unet": (0.9, 0.7), "unetpp": (0.5, 0.1)}  # plain, flipped
KEEP = np.array([True, False, True])


def square(value: float) -> np.ndarray:
    plane = np.zeros((2, 20, 20), np.float32)
    plane[:, 5:15, 5:15] = value
    return plane


@pytest.fixture
def found() -> VolumePrediction:
    means = {name: square((plain + flipped) / 2) for name, (plain, flipped) in VALUES.items()}
    means["ensemble"] = (means["unet"] + means["unetpp"]) / 2
    masks = {name: volume >= CHOICES[name].threshold for name, volume in means.items()}
    plain, flipped = ({name: square(each[i]).astype(np.float16) for name, each in VALUES.items()} for i in (0, 1))
    return VolumePrediction(means, masks, plain, flipped)


@pytest.fixture
def volume() -> SliceSet:
    images = np.random.default_rng(0).integers(0, 255, (3, 20, 20, 3), np.uint8)
    images[..., 0] = images[..., 1]  # no pre-contrast
    box = np.zeros((3, 20, 20), bool)
    return SliceSet(images, box, ~box, np.array([3, 4, 5]))


def test_each_setup_has_its_networks_and_its_mask(found: VolumePrediction, volume: SliceSet):
    said = dict(all_setups(found, volume, CHOICES, KEEP))
    assert set(said) == set(SETUPS)
    marked = {name: bool(each.mask.any()) for name, each in said.items()}
    assert marked == {
        "ensemble+flips": False,  # 0.55
        "ensemble": True,  # 0.7
        "unet+flips": True,
        "unet": True,
        "unetpp+flips": False,  # 0.3
        "unetpp": True,
    }
    members = {name: (list(each.plain), list(each.flipped)) for name, each in said.items()}
    assert members["ensemble+flips"] == (["unet", "unetpp"], ["unet", "unetpp"])
    assert members["ensemble"] == (["unet", "unetpp"], [])
    assert members["unetpp+flips"] == (["unetpp"], ["unetpp"])
    assert {each.missing for each in said.values()} == {1}
    assert {each.flair.shape for each in said.values()} == {(2, 20, 20)}
    assert said["unetpp"].threshold == pytest.approx(0.4)


def test_without_flips_there_are_half_as_many(found: VolumePrediction, volume: SliceSet):
    plain = VolumePrediction(found.probabilities, found.masks, found.plain, {})
    assert set(dict(all_setups(plain, volume, CHOICES, KEEP))) == {"ensemble", "unet", "unetpp"}


def test_a_prediction_s_own_setup(found: VolumePrediction, volume: SliceSet):
    own = opinions(found, volume, "unet", CHOICES["unet"], found.masks["unet"], keep=KEEP)
    assert (list(own.plain), own.mask.sum(), own.threshold) == (["unet"], 200, 0.5)
    assert [setup_of(name, flips=flips) for name, flips in (("ensemble", True), ("unetpp", False), ("mine", True))] == [
        "ensemble+flips", "unetpp", "unet+flips",
    ]  # fmt: skip
