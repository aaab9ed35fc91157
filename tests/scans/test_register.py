"""A head that was moved by a known motion is found where it was; nothing happens to one that was not."""

from __future__ import annotations

import json
import sys

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from brainseg.cli import app
from brainseg.errors import DataError, UserError
from brainseg.scans.case import REGISTER
from brainseg.scans.cases import find_cases
from brainseg.scans.motion import Motion, is_still
from brainseg.scans.nifti import read_nifti
from tests.scans.heads import as_nifti, threshold_models, write_tifs
from tests.scans.nifti_files import saved

SPACING = (5.0, 2.5, 2.5)
SHAPE = (28, 88, 80)


def rigid(degrees: float, axis: int, shift: tuple[float, float, float]) -> np.ndarray:
    """4 x 4: a rotation about an axis through the origin, then a shift."""
    i, j = (k for k in range(3) if k != axis)
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.eye(4)
    matrix[i, i] = matrix[j, j] = cosine
    matrix[i, j], matrix[j, i] = -sine, sine
    matrix[:3, 3] = shift
    return matrix


def sequences() -> tuple[np.ndarray, np.ndarray]:
    """FLAIR and T1 of a head without symmetry, each tissue with a value of its own, int16 `SHAPE`."""
    axes = [mm * (np.arange(n) - (n - 1) / 2) for n, mm in zip(SHAPE, SPACING, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    radius = np.sqrt((x / 75) ** 2 + (y / 95) ** 2 + (z / 62) ** 2)
    ventricles = ((np.abs(x + 2) - 12) / 8) ** 2 + (y / 30) ** 2 + ((z - 5) / 15) ** 2 < 1
    tumour = ((x - 30) / 18) ** 2 + ((y + 25) / 22) ** 2 + ((z - 18) / 16) ** 2 < 1
    cerebellum = (x / 40) ** 2 + ((y - 50) / 25) ** 2 + ((z + 40) / 20) ** 2 < 1
    parts = [radius > 1, radius > 0.93, radius > 0.86, ventricles, tumour, cerebellum]
    noise = np.random.default_rng(0).normal(0, 6, (2, *SHAPE))
    found = (np.select(parts, values, 300) for values in ((0, 500, 60, 40, 600, 380), (0, 700, 80, 120, 250, 480)))
    flair, t1 = ((values + more).clip(0).astype(np.int16) for values, more in zip(found, noise, strict=True))
    return flair, t1


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """FLAIR, and functions to write its T1 with a header that is wrong by a motion."""
    pytest.importorskip("SimpleITK")
    folder, (flair, t1) = tmp_path_factory.mktemp("moved"), sequences()
    path, image = saved(folder / "flair.nii.gz", as_nifti(flair, SPACING)), as_nifti(t1, SPACING)

    def moved(name: str, by: np.ndarray):
        return saved(folder / f"{name}.nii.gz", nib.Nifti1Image(np.asarray(image.dataobj), by @ image.affine))

    return path, moved


def left(motion: Motion, by: np.ndarray) -> tuple[float, float]:
    """Millimetres and degrees that are left when the motion that was found is undone."""
    rest = motion.matrix @ by
    shift = rest[:3, :3] @ motion.centre + rest[:3, 3] - motion.centre
    return float(np.linalg.norm(shift)), float(np.degrees(np.arccos(np.clip((np.trace(rest[:3, :3]) - 1) / 2, -1, 1))))


@pytest.mark.parametrize(
    "by", [rigid(0, 0, (6.0, -4.0, 5.0)), rigid(7, 2, (0, 0, 0)), rigid(-6, 0, (3.0, 0, -8.0))], ids=str
)
def test_known_motions_are_found(files, by):
    flair, moved = files
    scan = read_nifti({"flair": flair, "pre": moved("pre", by)}, register=True)
    motion = scan.motions["pre"]
    mm, degrees = left(motion, by)
    assert mm < 1
    assert degrees < 1
    assert not motion.still
    assert not [w for w in scan.warnings if "moved by" in w]
    there = read_nifti({"flair": flair, "pre": moved("there", np.eye(4))})
    inner = np.s_[6:-6, 20:-20, 20:-20, 0]
    assert np.abs(scan.images[inner].astype(float) - there.images[inner]).mean() < 12  # of 120 to 700


@pytest.mark.slow
def test_what_was_not_moved_stays_as_it_is(files):
    flair, moved = files
    paths = {"flair": flair, "post": moved("post", rigid(0, 0, (0.2, 0, 0)))}
    scan = read_nifti(paths, register=True)
    assert scan.motions["post"].still
    assert scan.motions["post"].as_json()["applied"] is False
    assert np.array_equal(scan.images, read_nifti(paths).images)


@pytest.mark.slow
def test_the_same_files_give_the_same_bytes(files):
    flair, moved = files
    paths = {"flair": flair, "pre": moved("again", rigid(4, 1, (2, 2, 2)))}
    assert read_nifti(paths, register=True).digest == read_nifti(paths, register=True).digest


@pytest.mark.slow
def test_another_frame_is_said(files):
    """Sequences of two visits: the headers have nothing to do with each other."""
    flair, moved = files
    by = rigid(0, 0, (0, 60.0, 0))
    scan = read_nifti({"flair": flair, "pre": moved("far", by)}, register=True)
    assert left(scan.motions["pre"], by)[0] < 1
    assert any("was moved by 60 mm and 0 degrees to lie on FLAIR" in warning for warning in scan.warnings)


def test_without_the_option_nothing_is_registered(files):
    flair, moved = files
    scan = read_nifti({"flair": flair, "pre": moved("plain", rigid(0, 0, (6, 0, 0)))})
    assert not scan.motions


@pytest.mark.slow
def test_predict_says_what_lies_off_flair_and_registers_it_where_asked(files, tmp_path):
    flair, moved = files
    scan = ["predict", "--flair", str(flair), "--pre", str(moved("off", rigid(0, 0, (8.0, -6.0, 0)))), "--trust-input"]
    models = ["--weights", str(threshold_models(tmp_path / "models")), "--runtime", "torch"]
    said = []
    for options in ([], ["--register"]):
        out = tmp_path / f"out{len(options)}"
        done = CliRunner().invoke(app, [*scan, *models, *options, "--out", str(out)])
        assert done.exit_code == 0, done.output
        report = json.loads((out / "flair.json").read_text())
        said.append((report["registration"], [text for text in report["warnings"] if "off FLAIR" in text]))
    (before, doubts), (after, none) = said
    assert before == {}
    assert len(doubts) == 1
    assert after["pre"]["shift_mm"] == pytest.approx(10, abs=1)
    assert none == []


def test_motions_in_words():
    """Ninety degrees about the axis from feet to head, and 3, 4, 0 mm in the middle."""
    centre = np.array([10.0, 0.0, 0.0])
    matrix = rigid(90, 2, (0, 0, 0))
    matrix[:3, 3] = centre + np.array([3.0, 4.0, 0.0]) - matrix[:3, :3] @ centre
    motion = Motion(matrix, centre, False)
    assert motion.degrees == pytest.approx(90)
    assert motion.shift_mm == pytest.approx(5)
    assert motion.warnings("t1.nii") == [
        "t1.nii was moved by 5 mm and 90 degrees to lie on FLAIR: more than a patient moves in a scanner; look "
        "whether it lies right"
    ]


@pytest.mark.parametrize(
    ("by", "still"),
    [
        (rigid(0, 0, (0.9, 0, 0)), True),  # within 1 mm
        (rigid(0, 0, (1.1, 0, 0)), False),
        (rigid(0, 0, (0, 0, 2.4)), True),  # within half a slice of 5 mm
        (rigid(0, 0, (0, 0, 2.6)), False),
        (rigid(0.7, 2, (0, 0, 0)), True),  # 0.86 mm at the surface
        (rigid(1.0, 2, (0, 0, 0)), False),
    ],
    ids=["0.9 mm", "1.1 mm", "2.4 mm up", "2.6 mm up", "0.7 degrees", "1 degree"],
)
def test_motions_that_cannot_be_told_from_none(by, still):
    assert is_still(by, np.zeros(3), np.diag([-0.9, -0.9, 5.0, 1])) is still


def test_slices_without_geometry_are_refused(tmp_path):
    folder = write_tifs(tmp_path / "case", np.stack([sequences()[0].astype(np.uint16)] * 3, axis=-1))
    with pytest.raises(DataError, match="--register needs NIfTI or DICOM, and TIF slices have no place in space"):
        find_cases([folder], changes=[REGISTER])


def test_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    flair = saved(tmp_path / "flair.nii.gz", as_nifti(sequences()[0], SPACING))
    with pytest.raises(
        UserError, match=r"--register needs SimpleITK, .*; run pip install '\.\[register\]' in the clone"
    ):
        read_nifti({"flair": flair, "pre": flair}, register=True)
