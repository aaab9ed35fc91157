"""What the stage writes beside the table: every figure of the page in a committed file, and a page that is whole."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from markupsafe import Markup

from brainseg.data import slices
from brainseg.evaluation.overlap import overlap
from brainseg.evaluation.statistics import paired
from brainseg.inference.predictor import load_prediction
from brainseg.report.genomics import area_sentence, association_rows
from brainseg.report.headline import summary_markdown
from brainseg.report.page import patient_rows
from brainseg.report.page_inputs import changed_params
from tests.pipeline import change_params, run_here, shipped_params


def test_dice_of_every_slice_is_that_of_the_masks(run: Path):
    table = pd.read_csv(run / "metrics" / "per_slice.csv")
    for (model, patient), rows in table.groupby(["model", "patient"]):
        truth = slices.load(run / "data" / "clahe" / f"{patient}.npz")
        found = load_prediction(run / "predictions" / str(model) / f"{patient}.npz")
        assert rows["slice"].tolist() == truth.slices.tolist()
        for row, t, p in zip(rows.to_dict("records"), truth.masks, found.mask, strict=True):
            assert row["dice"] == pytest.approx(overlap(t, p).dice, abs=1e-5)
            assert (row["tumour_px"], row["predicted_px"]) == (t.sum(), p.sum())


def test_the_paired_test_is_of_the_two_networks(run: Path):
    found = json.loads((run / "metrics" / "paired.json").read_text())
    table = pd.read_csv(run / "metrics" / "per_patient.csv").pivot(index="patient", columns="model", values="dice")
    expected = paired(table["unet"].tolist(), table["unetpp"].tolist(), 2000, shipped_params()["seed"])
    assert (found["a"], found["b"], found["n"], found["better"]) == ("unet", "unetpp", 3, 3)
    assert found["difference"] == pytest.approx(expected.difference, abs=1e-5)
    assert found["difference"] > 0  # it is off by one pixel rather than three


def test_confusion_counts_are_those_of_the_slices(run: Path):
    cases = json.loads((run / "metrics" / "test.json").read_text())["ensemble"]["slice_cases"]
    table = pd.read_csv(run / "metrics" / "confusion.csv").value_counts().to_dict()
    names = {"both_present": ("tumour", "tumour"), "missed": ("tumour", "none"),
             "false_alarm": ("none", "tumour"), "both_empty": ("none", "none")}  # fmt: skip
    assert {name: table.get(key, 0) for name, key in names.items()} == cases


def test_patients_add_up_to_the_dataset(run: Path):
    table = pd.read_csv(run / "metrics" / "patients.csv")
    whole = json.loads((run / "metrics" / "dataset.json").read_text())
    assert [len(table), *table[["slices", "labeled", "tumour_px"]].sum()] == [
        whole[key] for key in ("patients", "slices", "labeled", "tumour_px")
    ]


def test_the_summary_for_a_pull_request(run: Path):
    text = (run / "metrics" / "summary.md").read_text()
    test = json.loads((run / "metrics" / "test.json").read_text())
    assert text.startswith("> **SYNTHETIC PATIENTS")
    for model, name in (("unet", "U-Net"), ("unetpp", "U-Net++"), ("ensemble", "ensemble")):
        volume, per_slice = test[model]["volume"], test[model]["slice"]
        cells = (
            f"{volume['dice_mean']:.3f} | {volume['dice_ci95_low']:.3f} to {volume['dice_ci95_high']:.3f} | "
            f"{volume['dice_median']:.3f} | {volume['dice_min']:.3f} | {per_slice['dice']:.3f} | "
            f"{volume['hd95_px_mean']:.1f} | {volume['nsd_2px_mean']:.3f} | "
        )
        assert f"| {name} | {cells}" in text
    assert f"**{test['ensemble']['volume']['dice_mean']:.3f}** mean whole-volume Dice of the ensemble on 3" in text
    assert "Only 3 test patients" in text
    assert "U-Net++ against U-Net on the same 3 patients: +0." in text
    assert "| Buda, Saha and Mazurowski 2019 | 0.836 | 0.873 | U-Net, 22-fold" in text


def test_a_leaking_split_is_said_loudly(run: Path):
    test = json.loads((run / "metrics" / "test.json").read_text()) | {"leaky": True}
    paired_test = json.loads((run / "metrics" / "paired.json").read_text())
    text = summary_markdown(test, paired_test, phantom=False)
    assert text.startswith("> **LEAKY: the split is by slice")
    assert "SYNTHETIC" not in text


def test_the_page_asks_nothing_from_outside_and_is_small(run: Path):
    page = run / "reports" / "index.html"
    text = page.read_text()
    assert page.stat().st_size < 25e6
    own = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)  # Plotly names addresses that it does not ask
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", own)
    assert "<link" not in own
    assert text.count('<script type="application/json" id="data-PHANTOM_') == 3


def test_patients_stand_worst_first(run: Path):
    rows = patient_rows(pd.read_csv(run / "metrics" / "per_patient.csv"))
    dice = [row["ensemble"] for row in rows]
    assert dice == sorted(dice)
    assert all(row["unetpp"] > row["ensemble"] > row["unet"] for row in rows)


def test_changed_parameters_are_those_that_differ_from_the_recommended():
    params = shipped_params()
    assert changed_params(params) == {}
    assert changed_params(params | {"seed": 3}) == {"seed": (2019, 3)}
    train = params["train"] | {"augment": params["train"]["augment"] | {"noise": 0.5}}
    assert changed_params(params | {"train": train}) == {"train.augment.noise": (0.1, 0.5)}


@pytest.mark.parametrize(("name", "content"), [("history_unet.csv", None), ("val.json", "{"), ("patients.csv", "")])
def test_a_bad_metrics_file_is_named_before_anything_is_written(copied: Path, capsys, name, content):
    path = copied / "metrics" / name
    path.unlink() if content is None else path.write_text(content)
    (copied / "metrics" / "test.json").unlink()
    said = run_here("evaluate", capsys)
    assert (said.status, said.err) == (2, f"error: metrics/{name} is missing or damaged; `dvc repro` makes it.\n")
    assert not (copied / "metrics" / "test.json").exists()


def test_the_page_says_what_is_different_and_that_it_leaks(copied: Path, capsys):
    change_params(copied, {"split": {"by": "slice"}})
    assert run_here("evaluate", capsys).status == 0
    text = (copied / "reports" / "index.html").read_text()
    assert text.count('class="banner"') == 2  # leaky, and synthetic
    assert "<code>split.by</code></th><td>patient</td><td>slice</td>" in text


def test_the_section_on_genomics_says_what_the_metrics_say(run: Path):
    results = json.loads((run / "metrics" / "radiogenomics.json").read_text())
    shapes = pd.read_csv(run / "metrics" / "shape.csv")
    assert shapes["source"].value_counts().to_dict() == {"manual": 5, "predicted": 3}
    truth = shapes[shapes["source"] == "manual"].set_index("patient")
    found = shapes[shapes["source"] == "predicted"].set_index("patient")
    # The ensemble's masks are the truth, moved: shape and size are the same, the place is not.
    for feature in ("asd", "bevr", "mf", "volume"):
        np.testing.assert_allclose(found[feature], truth.loc[found.index, feature], rtol=1e-5)
        assert results["agreement"][feature]["icc"] == pytest.approx(1)
    assert (found["x"] > truth.loc[found.index, "x"]).all()
    text = (run / "reports" / "index.html").read_text()
    assert 'id="genomics"' in text
    for row in association_rows(results):
        assert "".join(f"<td>{cell}</td>" for cell in (str(Markup.escape(cell)) for cell in row[1:])) in text
    assert area_sentence(results) in text


def test_without_that_stage_the_page_has_no_such_section(copied: Path, capsys: pytest.CaptureFixture[str]):
    for name in ("radiogenomics.json", "shape.csv"):
        (copied / "metrics" / name).unlink()
    assert run_here("evaluate", capsys).status == 0
    assert 'id="genomics"' not in (copied / "reports" / "index.html").read_text()
