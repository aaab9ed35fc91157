"""A network and a metric are added by their entries alone: each reaches every table, figure and the page."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brainseg.data import slices
from brainseg.evaluation.statistics import Paired
from brainseg.inference.predictor import load_prediction
from brainseg.report.headline import paired_sentences
from tests.pipeline import ROOT

pytestmark = pytest.mark.slow
MODELS = ["unet", "unetpp", "third", "ensemble"]
ENTRIES = {
    "brainseg/model/catalogue.py": (
        "    ENSEMBLE: Entry(",
        '    "third": Entry("Third-Net", "#CC79A7", "cross"),\n',
    ),
    "brainseg/evaluation/metrics.py": (
        '    "tumour_px": Metric(',
        '    "wrong_px": Metric("wrong px", lambda p: p.whole.fp + p.whole.fn, "lower", ".1f"),\n',
    ),
}
RUN = """
import os, shutil, sys
from pathlib import Path
from tests.pipeline import run_module
from tests.report.finished import write_earlier_stages
from tests.scans.heads import threshold_models

root = Path(sys.argv[1])
write_earlier_stages(root)
shutil.rmtree(root / "predictions")
threshold_models(root / "trained")
(root / "trained" / "ensemble.json").unlink()
os.chdir(root)
assert run_module("postprocess") == 0
assert run_module("evaluate") == 0
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """From trained networks to the page, with the code of a copy that has one network and one metric more."""
    code, root = tmp_path_factory.mktemp("code"), tmp_path_factory.mktemp("more")
    for part in ("brainseg", "stages", "tests", "demo"):
        shutil.copytree(ROOT / part, code / part, ignore=shutil.ignore_patterns("__pycache__", "weights", "vendor"))
    for part in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / part, code / part)
    for name, (before, entry) in ENTRIES.items():
        text = (code / name).read_text(encoding="utf-8")
        assert text.count(before) == 1
        (code / name).write_text(text.replace(before, entry + before), encoding="utf-8")
    line = [sys.executable, "-B", "-c", f"import sys; sys.path.insert(0, {str(code)!r})\n{RUN}", str(root)]
    done = subprocess.run(line, cwd=code, env={"PATH": "", "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return root


def test_the_third_network_is_in_the_ensemble(run: Path):
    patient = next((run / "predictions" / "third").glob("*.npz")).name
    each = [load_prediction(run / "predictions" / name / patient).probability.astype(float) for name in MODELS]
    np.testing.assert_allclose(np.mean(each[:3], axis=0), each[3], atol=1)
    assert json.loads((run / "models" / "ensemble.json").read_text())["members"] == MODELS[:3]
    assert list(json.loads((run / "metrics" / "val.json").read_text())) == ["leaky", *MODELS]


def test_the_third_network_is_in_every_table(run: Path):
    for name in ("per_patient", "per_slice", "calibration", "precision_recall"):
        table = pd.read_csv(run / "metrics" / f"{name}.csv")
        assert table["model"].drop_duplicates().tolist() == MODELS, name
    assert pd.read_csv(run / "metrics" / "dice_by_patient.csv").columns[2:].tolist() == MODELS
    assert "| Third-Net |" in (run / "metrics" / "summary.md").read_text()


def test_every_network_is_held_against_the_first(run: Path):
    found = json.loads((run / "metrics" / "paired.json").read_text())
    assert [(row["a"], row["b"], row["n"]) for row in (found, *found["more"])] == [
        ("unet", "unetpp", 3), ("unet", "third", 3),
    ]  # fmt: skip
    for row in (found, *found["more"]):
        assert set(row) - {"more"} == {"a", "b", "verdict", *Paired._fields}
    text = (run / "metrics" / "summary.md").read_text()
    assert text.count(" against U-Net on the same 3 patients") == 2
    del found["more"]
    assert [said.split(" on ")[0] for said in paired_sentences(found)] == ["U-Net++ against U-Net"]
    assert paired_sentences({}) == []


def test_the_page_draws_the_third_network(run: Path):
    page = (run / "reports" / "index.html").read_text()
    for part in ("--third: #CC79A7;", 'data-sort="third"', 'id="line-third"', 'data-show="third"', "1 to 6 switch"):
        assert part in page
    for figure in (
        "validation_dice",
        "training_loss",
        "distribution",
        "size_dice",
        "components",
        "precision_recall",
        "calibration",
    ):
        content = page.split(f'id="figure-{figure}">')[1].split("</script>")[0]
        assert "Third-Net" in content, figure


def test_the_metric_is_in_the_tables_and_on_the_page(run: Path):
    table = pd.read_csv(run / "metrics" / "per_patient.csv")
    wrong = table.set_index(["model", "patient"])["wrong_px"]
    for model, patient in wrong.index:
        truth = slices.load(run / "data" / "clahe" / f"{patient}.npz").masks
        found = load_prediction(run / "predictions" / model / f"{patient}.npz").mask
        assert wrong[model, patient] == (truth ^ found).sum()
    test = json.loads((run / "metrics" / "test.json").read_text())
    assert test["third"]["volume"]["wrong_px_mean"] == pytest.approx(wrong["third"].mean(), abs=1e-5)
    page = (run / "reports" / "index.html").read_text()
    assert 'data-sort="wrong_px" title="lower is better">wrong px</button>' in page
    for value in wrong["ensemble"]:
        assert f"<td>{value:.1f}</td>" in page
