"""`brainseg compare`: folders and revisions, and what it says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from typer.testing import CliRunner

from brainseg.cli import app
from brainseg.errors import DataError
from brainseg.evaluation.statistics import Paired
from brainseg.report.compare import compare, read_side, sentence, unpaired

PATIENTS = [f"P{i:02d}" for i in range(12)]


def table(shift: float, patients: list[str] = PATIENTS) -> pd.DataFrame:
    rows = [
        (m, p, 0.7 + 0.01 * int(p[1:]) + shift * (1 + int(p[1:]) % 3)) for m in ("unet", "ensemble") for p in patients
    ]
    return pd.DataFrame(rows, columns=["model", "patient", "dice"])


def folder(path: Path, shift: float, patients: list[str] = PATIENTS) -> Path:
    path.mkdir(parents=True)
    table(shift, patients).to_csv(path / "per_patient.csv", index=False)
    return path


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["compare", *map(str, arguments)])
    return result.exit_code, result.output


def test_a_gain_of_every_patient_is_better(tmp_path: Path):
    a, b, out = folder(tmp_path / "a", 0), folder(tmp_path / "b", 0.01), tmp_path / "change.png"
    status, said = run(a, b, "--out", out)
    assert status == 0
    assert f"ensemble: {b} is better than {a} (+0.0200 mean whole-volume Dice" in said
    assert "12 of 12 patients better, 0 worse" in said
    assert "U-Net++" not in said  # in neither
    assert cv2.imread(str(out)) is not None
    assert f"ensemble: {a} is worse than {b}" in run(b, a, "--out", out)[1]
    assert f"{a} and {a} are not told apart" in run(a, a, "--out", out)[1]


def test_patients_are_paired_by_name_and_others_are_named(tmp_path: Path):
    a, b = table(0), table(0.01, [*PATIENTS[3:], "P90"]).sample(frac=1, random_state=0)
    result, rows = compare(a, b)["ensemble"]
    assert result.n == 9
    assert rows["change"].is_monotonic_increasing
    expected = {p: 0.01 * (1 + int(p[1:]) % 3) for p in PATIENTS[3:]}
    assert rows.set_index("patient")["change"].to_dict() == pytest.approx(expected)
    assert unpaired(a, b) == ["P00", "P01", "P02", "P90"]
    said = run(folder(tmp_path / "a", 0), folder(tmp_path / "b", 0, PATIENTS[3:]), "--out", tmp_path / "c.png")[1]
    assert "left out: 3 patients that only one of them tested (P00, P01, P02" in said


@pytest.mark.parametrize("count", [1, 2, 5])
def test_too_few_patients_are_said_to_be_too_few(count: int):
    result, _ = compare(table(0, PATIENTS[:count]), table(0.01, PATIENTS[:count]))["unet"]
    said = sentence("unet", result, "main", "mine")
    assert said.startswith("U-Net: too few patients to tell main and mine apart (+0.0")
    assert f"{count} of {count} patients better, 0 worse); Wilcoxon's test can give p < 0.05 from 6 patients" in said
    assert "interval" not in said


def test_from_six_patients_on_a_difference_can_be_told():
    result, _ = compare(table(0, PATIENTS[:6]), table(0.01, PATIENTS[:6]))["unet"]
    assert result.p == pytest.approx(2 / 2**6)
    assert "mine is better than main" in sentence("unet", result, "main", "mine")


def test_an_interval_without_0_beside_not_told_apart_is_explained():
    said = sentence("unet", Paired(8, 0.02, 0.001, 0.04, 5, 3, 0.2, 0.5), "main", "mine")
    assert "not told apart: the interval leaves out 0, but the test does not bear it out (+0.0200" in said


def test_a_picture_of_ones_own_is_replaced_and_the_users_is_not(tmp_path: Path):
    a, b, out = folder(tmp_path / "a", 0), folder(tmp_path / "b", 0.01), tmp_path / "compare.png"
    assert run(a, b, "--out", out)[0] == 0
    first = out.read_bytes()
    assert run(a, b, "--out", out)[0] == 0
    assert out.read_bytes() == first
    assert plt.imread(out).shape[2] == 4  # with the digest in it, it is still a picture
    for theirs in (first[:-1], first[:200] + b"\0" + first[201:], b"mine", b""):
        out.write_bytes(theirs)
        status, said = run(a, b, "--out", out)
        assert status == 2
        assert "is there already; choose another name, or say --replace." in said
        assert out.read_bytes() == theirs
    assert run(a, b, "--out", out, "--replace")[0] == 0
    assert out.read_bytes() == first


def test_other_splits_do_not_compare():
    with pytest.raises(DataError, match="no patient in common"):
        compare(table(0, ["P01"]), table(0, ["P02"]))


def test_revisions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def git(*arguments: str) -> None:
        named = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
        subprocess.run(["git", *named, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init", "--quiet", "--initial-branch", "main")
    for name, shift in (("main", 0.0), ("idea", 0.01)):
        if name != "main":
            git("checkout", "--quiet", "-b", name)
            shutil.rmtree(tmp_path / "metrics")
        folder(tmp_path / "metrics", shift)
        dvc = [sys.executable, "-m", "dvc"]  # Not every caller has the environment's own folder on the path.
        subprocess.run([*dvc, "init", "--quiet", "--force"], cwd=tmp_path, check=True, capture_output=True)
        git("add", "--all")
        git("commit", "--quiet", "--message", name)
    monkeypatch.chdir(tmp_path)
    pd.testing.assert_frame_equal(read_side("idea"), table(0.01).reset_index(drop=True))
    status, said = run("main", "idea")
    assert status == 0
    assert "ensemble: idea is better than main" in said
    assert (tmp_path / "compare.png").exists()
    status, said = run("main", "nowhere")
    assert status == 2
    assert said.startswith("error: nowhere is neither a folder nor a revision with metrics/per_patient.csv")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "per_patient.csv does not exist; give the metrics/ folder"), ("a,b\n1,2\n", "is not a table of patients")],
)
def test_bad_folders_are_one_sentence(tmp_path: Path, content: str | None, sentence: str):
    good, bad = folder(tmp_path / "good", 0), tmp_path / "bad"
    bad.mkdir()
    if content:
        (bad / "per_patient.csv").write_text(content)
    status, said = run(good, bad, "--out", tmp_path / "c.png")
    assert status == 2
    assert said.startswith("error: ")
    assert sentence in said
    assert said.count("\n") == 1
    assert not (tmp_path / "c.png").exists()
