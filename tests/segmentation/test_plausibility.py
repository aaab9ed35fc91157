"""Scans that are no FLAIR of a head, or lie the wrong way, are refused; heads are not."""

from __future__ import annotations

import numpy as np
import pytest

import brainseg
from brainseg.data.phantom import PhantomParams, make_patient
from brainseg.errors import NotTrusted
from brainseg.scans.canvas import canvas_for
from brainseg.segmentation.evidence import correlation, evidence, percentile
from brainseg.segmentation.plausibility import AFTER, BEFORE, require_plausible
from tests.scans.heads import SPACING, head, threshold_models

N, SIDE = 20, 128
CANVAS = canvas_for(256, 256, None)
Z, Y, X = np.mgrid[-1 : 1 : N * 1j, -120 : 120 : SIDE * 1j, -120 : 120 : SIDE * 1j]


@pytest.fixture(scope="module")
def patients():
    """Two synthetic patients: FLAIR and brain, of 256 x 256 pixels."""
    made = [make_patient(index, PhantomParams(patients=16, slices=20, size=256), 2019) for index in (0, 6)]
    return [(np.ascontiguousarray(each.images[..., 1]), each.brain) for each in made]


def doubts(flair, brain, spacing=None, *, stripped=False, canvas=CANVAS):
    """Names of the checks that refuse, and of those that warn."""
    found = [
        (check.__name__, doubt.strong)
        for checks, seen in (
            (BEFORE, evidence(flair, canvas, spacing)),
            (AFTER, evidence(flair, canvas, spacing, brain, stripped=stripped)),
        )
        for check in checks
        if (doubt := check(seen)) is not None
    ]
    return {name for name, strong in found if strong}, {name for name, strong in found if not strong}


def noisy(picture, sd=3.0):
    """On the canvas: uint8 [n, 256, 256]."""
    large = np.repeat(np.repeat(np.broadcast_to(picture, Z.shape), 2, 1), 2, 2)
    return np.clip(large + np.random.default_rng(0).normal(0, sd, large.shape), 0, 255).astype(np.uint8)


def inside(radius):
    return noisy(np.where(np.hypot(X, Y) < radius, 255, 0), 0) > 0


def leg(taper=0.0):
    """Marrow, bone, muscle and fat, upright in the slices."""
    radius = np.hypot(X, 1.05 * Y) / (1 + taper * Z)
    bone = np.hypot(X - 8, Y + 5)
    return noisy(np.select([bone < 10, bone < 16, radius < 68, radius < 80], [150, 8, 90, 190], 0))


def ball():
    return noisy(np.where(np.sqrt(X**2 + Y**2 + (75 * Z) ** 2) < 75, 100, 0))


def test_heads_raise_no_doubt(patients):
    for flair, brain in patients:
        for spacing in (None, (7.5, 0.94, 0.94)):
            assert doubts(flair, brain, spacing) == (set(), set())
            assert doubts(np.where(brain, flair, 0), brain, spacing, stripped=True) == (set(), set())
        assert doubts(flair[..., ::-1], brain[..., ::-1]) == (set(), set())  # left and right


@pytest.mark.parametrize("part", [np.s_[:10], np.s_[10:], np.s_[5:15], np.s_[9:12], np.s_[10:11]])
def test_nor_does_a_part_of_a_stack(patients, part):
    for flair, brain in patients:
        assert doubts(flair[part], brain[part]) == (set(), set())


@pytest.mark.parametrize("half", [np.s_[:, :128], np.s_[:, 128:], np.s_[..., :128], np.s_[..., 128:]])
def test_nor_does_half_of_each_slice(patients, half):
    for flair, brain in patients:
        seen = np.zeros_like(brain)
        seen[half] = True
        assert doubts(np.where(seen, flair, 0), brain & seen)[0] == set()


def test_nor_do_the_thin_slices_of_a_slab(patients):
    """Neighbours are nearly the same, the first and the last are not; the spacing is unknown."""
    flair, brain = patients[0]
    slab, inside = (
        np.stack([(1 - t) * part[i] + t * part[i + 1] for i in range(4) for t in (0, 0.2, 0.4, 0.6, 0.8)])
        for part in (flair[8:13].astype(float), brain[8:13].astype(float))
    )
    assert doubts(slab.astype(np.uint8), inside > 0.5)[0] == set()


def test_darker_brighter_and_noisier_heads_raise_no_doubt(patients):
    flair, brain = patients[0]
    noise = np.random.default_rng(1).normal(0, 8, flair.shape)
    tones = [255 * (flair / 255) ** gamma for gamma in (0.6, 0.75, 1.3)]
    for changed in (flair * 0.5, flair * 1.3, *tones, np.abs(flair + noise), flair * 0.75 + 60):
        assert doubts(changed.clip(0, 255).astype(np.uint8), brain)[0] == set()


NO_HEADS = {
    "leg": (leg(), inside(68), {"all_alike", "no_skull"}),
    "tapered leg": (leg(0.25), inside(60), {"no_skull"}),
    "ball": (ball(), ball() > 50, {"featureless"}),
    "noise": (np.random.default_rng(0).integers(0, 255, (N, 256, 256)).astype(np.uint8), inside(70), {"noise"}),
    "squares": (noisy((X // 30 + Y // 30) % 2 * 200), inside(70), {"all_alike"}),
    "gradient": (noisy(X + 120), inside(70), {"all_alike", "no_skull"}),
}


@pytest.mark.parametrize("kind", NO_HEADS)
def test_what_is_no_head_is_refused(kind):
    flair, brain, expected = NO_HEADS[kind]
    assert expected <= doubts(flair, brain, stripped=kind == "ball")[0]


def test_inverted_grey_values_are_refused(patients):
    for flair, brain in patients:
        assert "bright_air" in doubts(255 - flair, brain)[0]
        head_alone = np.where(flair > 8, 255 - flair, flair)
        assert "inverted" in doubts(head_alone, brain)[0] | doubts(head_alone, brain)[1]


def test_the_slices_order_reversed_is_refused(patients):
    flair, brain = (each[::-1] for each in patients[1])
    assert doubts(flair, brain)[0] == {"upside_down"}
    assert doubts(flair[:10], brain[:10])[0] == set(), "a part does not show which end is up"


def test_the_rows_order_reversed_is_refused(patients):
    flair, brain = (each[:, ::-1] for each in patients[1])
    assert doubts(flair, brain)[0] == {"face_down"}


def test_sizes_that_no_head_has_are_refused(patients):
    flair, brain = patients[0]
    assert doubts(flair, brain, (75.0, 0.94, 0.94))[0] == {"brain_size"}
    assert doubts(flair, brain, (0.75, 0.94, 0.94))[0] == {"brain_size"}
    tiny = np.zeros_like(flair)
    tiny[:, 96:160, 96:160] = flair[:, ::4, ::4]
    assert "head_size" in doubts(tiny, brain, (7.5, 0.94, 0.94))[0]


def test_thin_slices_are_alike_and_nothing_is_said():
    flair, brain, _ = NO_HEADS["leg"]
    assert "all_alike" not in doubts(flair, brain, (1.0, 0.94, 0.94))[0]


def test_a_strong_doubt_refuses_and_trust_makes_it_a_warning():
    seen = evidence(255 - noisy(0 * X), CANVAS, None)
    with pytest.raises(NotTrusted, match=r"expected dark air around a head.*if you know better, say --trust-input\.$"):
        require_plausible(seen, BEFORE, False)
    (warning,) = (text for text in require_plausible(seen, BEFORE, True) if "dark air" in text)
    assert not warning.endswith(".")


def test_segment_refuses_and_can_be_insisted(tmp_path):
    models, (flair, _) = threshold_models(tmp_path / "models"), head()
    inverted = 255 - flair
    with pytest.raises(NotTrusted, match="the grey values are inverted"):
        brainseg.segment(inverted, SPACING, weights=models, runtime="torch", stripped=False)
    result = brainseg.segment(flair, SPACING, weights=models, runtime="torch", trust_input=True)
    assert result.mask.any()


def test_percentile_and_correlation_are_numpys():
    values = np.random.default_rng(0).integers(0, 256, 1001).astype(np.uint8)
    assert percentile(values, 50) == np.median(values)
    other = np.random.default_rng(1).normal(size=1001) + values / 99
    assert correlation(values, other) == pytest.approx(np.corrcoef(values, other)[0, 1], abs=1e-5)
    assert correlation(values, 0 * values) == 0
