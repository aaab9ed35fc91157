"""`brainseg predict` as a user types it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import tifffile
from typer.testing import CliRunner

from brainseg.cli import app
from tests.scans.heads import head, threshold_models, write_tifs

FLAIR, TUMOUR = head()
RGB = np.stack([FLAIR] * 3, axis=-1)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return threshold_models(tmp_path_factory.mktemp("models"))


def predict(*arguments):
    return CliRunner().invoke(app, ["predict", *map(str, arguments)])


def test_one_case_is_one_line(tmp_path, models):
    folder = write_tifs(tmp_path / "case", RGB, TUMOUR)
    result = predict(folder, "--out", tmp_path / "out", "--weights", models, "--runtime", "torch", "--score")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("case: tumour of ")
    assert "Dice 0.9" in result.stdout
    again = predict(folder, "--out", tmp_path / "out", "--weights", models, "--runtime", "torch", "--score")
    assert again.stdout == "case: done before (--redo does it again)\n"


def test_a_cohort_has_a_summary_and_an_exit_status(tmp_path, models):
    for name in ("a", "b"):
        write_tifs(tmp_path / "in" / name, RGB, TUMOUR)
    (tmp_path / "in" / "b" / "b_4.tif").unlink()
    result = predict(tmp_path / "in", "--out", tmp_path / "out", "--weights", models, "--runtime", "torch", "--score")
    assert result.exit_code == 2
    assert "error: b: " in result.stderr
    assert "without 4" in result.stderr
    assert "2 cases: 1 segmented, 1 failed; whole-volume Dice of 1: mean 0.9" in result.stdout
    table = pd.read_csv(tmp_path / "out" / "summary.csv").set_index("case")
    assert table["status"].to_dict() == {"a": "done", "b": "failed"}
    assert table.loc["a", "dice"] > 0.95
    write_tifs(tmp_path / "new", RGB)
    (tmp_path / "in" / "b" / "b_4.tif").write_bytes((tmp_path / "in" / "a" / "a_4.tif").read_bytes())
    (tmp_path / "in" / "b" / "b_4_mask.tif").write_bytes((tmp_path / "in" / "a" / "a_4_mask.tif").read_bytes())
    result = predict(tmp_path / "in", "--out", tmp_path / "out", "--weights", models, "--runtime", "torch", "--score")
    assert result.exit_code == 0
    assert "2 cases: 1 segmented, 1 done before; whole-volume Dice of 2" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "no input is named"),
        (["nowhere"], "nowhere does not exist"),
        (["--flair", "nowhere.nii"], "nowhere.nii does not exist"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(tmp_path, arguments, words):
    result = predict(*arguments, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert words in result.stderr
    assert not (tmp_path / "out").exists()


def test_help_imports_nothing_heavy():
    code = "import sys; from brainseg.cli import app; print(sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    for name in ("torch", "numpy", "cv2", "nibabel", "pandas", "pydicom"):
        assert f"'{name}'" not in loaded
    for command in ("predict", "view", "edit"):
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0


def test_a_folder_of_tif_slices_waits_for_no_other_format(tmp_path):
    (tmp_path / "case").mkdir()
    tifffile.imwrite(tmp_path / "case" / "case_1.tif", np.zeros((64, 64, 3), np.uint8))
    code = (
        "import sys; from pathlib import Path; import brainseg.cohort.predict;"
        "from brainseg.scans.cases import find_cases;"
        "print([case.name for case in find_cases([Path(sys.argv[1])])], sorted(set(sys.argv[2:]) & set(sys.modules)))"
    )
    slow = ["nibabel", "pydicom", "scipy", "openvino", "torch", "pandas"]
    line = [sys.executable, "-c", code, str(tmp_path / "case"), *slow]
    assert subprocess.run(line, check=True, capture_output=True, text=True).stdout == "['case'] []\n"


def test_the_package_offers_segment_without_loading_torch():
    code = (
        "import sys, brainseg; print('torch' in sys.modules, 'segment' in brainseg.__all__, callable(brainseg.segment))"
    )
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert printed == "False True True\n"
    import brainseg

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        brainseg.nothing  # noqa: B018


def test_fast_refuses_what_contradicts_it(tmp_path):
    result = predict(tmp_path, "--out", tmp_path / "out", "--fast", "--model", "ensemble", "--tta")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: --fast means --model unet, --precision int8, --no-tta")
    assert "leave out --model ensemble, --tta, or --fast." in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["--model", "--device", "--runtime", "--precision"])
def test_a_name_that_no_table_has_is_refused(tmp_path, option):
    result = predict(tmp_path, "--out", tmp_path / "out", option, "best")
    assert result.exit_code == 2
    assert f"'{option}': 'best' is not one of " in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["shape", "compare"])
def test_a_command_of_the_pipeline_names_its_extra(tmp_path, monkeypatch, command):
    for name in [name for name in sys.modules if name.startswith(("brainseg.report", "brainseg.radiogenomics"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pandas", None)
    result = CliRunner().invoke(app, [command, str(tmp_path), *([str(tmp_path)] if command == "compare" else [])])
    assert (result.exit_code, result.stderr) == (
        2,
        f"error: {command} needs pandas, which is not installed; "
        "run pip install '.[analysis]' in the clone of brainseg.\n",
    )


def test_a_path_that_is_not_there_is_told_before_anything_is_loaded():
    code = """
import sys
from typer.testing import CliRunner
from brainseg.cli import app
for command in (["predict", "nowhere", "--out", "o"], ["view", "nowhere"], ["shape", "nowhere"], ["verify", "nowhere"]):
    result = CliRunner().invoke(app, command)
    assert (result.exit_code, result.stderr.startswith("error: nowhere does not exist; ")) == (2, True), command
print([name for name in ("numpy", "nibabel", "pydicom", "cv2", "scipy", "pandas") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n", done.stdout
