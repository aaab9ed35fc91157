"""Sequences made by hand: what is dark and bright where decides, not the scale."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from brainseg.errors import DataError, ParamsError
from brainseg.trust.sequence import NAMES, RECOGNISER, count, features, load_recogniser, refusal
from studies import sequence as study
from tests.pipeline import ROOT

# cortex and sulci, white matter, ventricles: grey values of each sequence
LOOKS = {"flair": (130, 100, 20), "t1": (80, 120, 25), "t1c": (80, 120, 25), "t2": (150, 90, 240)}


def head(sequence: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Four round slices with a rim, a middle and noise; contrast agent is bright dots in the rim."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-64:64, -64:64]
    radius = np.hypot(y, x * rng.uniform(0.95, 1.1))
    rim, white, fluid = LOOKS[sequence]
    plane = np.select([radius < 12, radius < 38], [fluid, white], rim).astype(float)
    image = np.repeat(plane[None], 4, 0) + rng.normal(0, 6, (4, 128, 128))
    if sequence == "t1c":
        image[(rng.random(image.shape) < 0.03) & (radius > 38)] = 250
    brain = np.repeat((radius < 55)[None], 4, 0)
    return np.where(brain, np.clip(image, 0, 255), 0).astype(np.uint8), brain


@pytest.fixture(scope="module")
def looks() -> list[study.Look]:
    return [
        study.Look(f"p{seed}", name, name, features(*head(name, 4 * seed + i)))
        for seed in range(16)
        for i, name in enumerate(NAMES)
    ]


def test_sequences_are_told_apart_out_of_fold(looks: list[study.Look]):
    found = study.summary(looks, study.out_of_fold(looks))["refused"]
    assert {name: figures["refused"] for name, figures in found.items()} == {"flair": 0, "t1": 16, "t1c": 16, "t2": 16}
    assert found["flair"]["flair_probability_min"] > 0.8


def test_a_sentence_says_what_it_looks_like(looks: list[study.Look]):
    recogniser = study.learn(looks)
    assert refusal(*head("flair", 99), recogniser) is None
    assert "looks like a T2 (" in str(refusal(*head("t2", 99), recogniser))
    assert "looks like a T1 (" in str(refusal(*head("t1", 99), recogniser))
    assert "looks like a T1 with contrast agent (" in str(refusal(*head("t1c", 99), recogniser))
    probabilities = recogniser.probabilities(features(*head("t1", 99)))
    assert sum(probabilities.values()) == pytest.approx(1)


def test_of_few_slices_it_is_a_warning_and_of_a_whole_brain_a_refusal(looks: list[study.Look]):
    recogniser = study.learn(looks)
    recogniser = recogniser.model_copy(update={"least": 0.99999})  # even these T1 are likelier than PART_LEAST by far
    recogniser.weights["flair"][-1] += 4
    image, brain = (np.repeat(each, 2, 0) for each in head("t1", 99))
    whole = brain.copy()
    whole[[0, -1]] &= np.arange(128) < 40
    assert 0.01 < recogniser.probabilities(features(image, brain))["flair"] < 0.9
    sure = {name: refusal(image[part], where[part], recogniser) for name, where, part in (
        ("whole", whole, np.s_[:]), ("part", brain, np.s_[:]), ("few", brain, np.s_[:4]))}  # fmt: skip
    assert {name: found and found[1] for name, found in sure.items()} == {"whole": True, "part": False, "few": False}
    unlikely = recogniser.model_copy(update={"weights": study.learn(looks).weights})
    unlikely.weights["flair"][-1] -= 9
    assert [refusal(image, brain, unlikely)[1], refusal(image[:4], brain[:4], unlikely)[1]] == [True, False]


def test_neither_brightness_nor_contrast_changes_what_is_seen():
    image, brain = head("flair", 3)
    darker = np.where(brain, image // 4 * 2 + 40, 0).astype(np.uint8)
    same = np.where(brain, image // 4 * 4, 0).astype(np.uint8)
    assert features(darker, brain) == pytest.approx(features(same, brain), abs=0.05)
    assert len(features(image, brain)) == count()


def test_with_too_little_brain_nothing_is_said(looks: list[study.Look]):
    image, brain = head("t1", 1)
    few = brain & (np.arange(128) < 12)
    assert features(image, few) is None
    assert refusal(image, few, study.learn(looks)) is None
    assert features(image, np.zeros_like(brain)) is None


def test_what_stands_for_a_t2_has_bright_fluid():
    image, brain = head("t1", 5)
    turned = study.inverted(image, brain)
    assert turned[:, 64, 64].mean() > turned[:, 64, 90].mean() > 0
    image, brain = head("flair", 5)
    bright = study.fluid_bright(image, brain)
    assert bright[:, 60:68, 60:68].mean() > 150
    assert (bright[~brain] == 0).all()


class TestShipped:
    def test_its_constants_are_whole_and_its_figures_have_no_false_refusal(self):
        assert load_recogniser().volumes > 400
        figures = json.loads((ROOT / "studies" / "results" / "sequence.json").read_text())["refused"]
        assert figures["flair"]["refused"] == 0
        assert figures["flair"]["n"] == 88
        assert all(figures[name]["refused"] / figures[name]["n"] > 0.9 for name in ("t1", "t1c", "t2 of t1"))

    def test_a_file_that_lacks_something_is_refused(self, tmp_path: Path):
        content = json.loads(RECOGNISER.read_text())
        path = tmp_path / "sequence.json"
        path.write_text(json.dumps({key: value for key, value in content.items() if key != "least"}))
        with pytest.raises(ParamsError, match=r"sequence\.json\.least is missing"):
            load_recogniser(path)
        path.write_text(json.dumps(content | {"mean": content["mean"][1:]}))
        with pytest.raises(ParamsError, match=f"expected {count()} features of flair, t1, t1c, t2"):
            load_recogniser(path)
        with pytest.raises(DataError, match="cannot be read"):
            load_recogniser(tmp_path / "nowhere.json")
