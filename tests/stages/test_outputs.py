"""The ten commands, in this process on tiny synthetic patients: what they write."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.pipeline import PAGE, STAGES, change_params, outputs, run_here
from tests.stages.folders import snapshot, snapshot_of, without_outputs

ONE_EPOCH = {"unet": {"epochs": 1}, "unetpp": {"epochs": 1}}
"""Where it does not matter what is learnt."""


def test_each_stage_writes_its_outputs_and_nothing_else(finished):
    written = {name for stage in STAGES for name in outputs(stage)}
    for path in (path for path in finished.rglob("*") if path.is_file()):
        names = {str(p) for p in (path.relative_to(finished), *path.relative_to(finished).parents)}
        assert names & (written | {"params.yaml", "logs/stages.csv"}), f"{path} is no output in dvc.yaml"
    for name in written:
        assert (finished / name).exists(), name
    assert not [path for path in finished.rglob(".*")]


def test_the_log_has_a_line_per_stage(finished):
    with (finished / "logs" / "stages.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert tuple(row["stage"] for row in rows) == STAGES
    for row in rows:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", row["finished"])
        assert 0 <= float(row["seconds"]) < 600
        assert 20 < float(row["peak_mib"]) < 64_000


def test_the_same_command_writes_the_same_bytes(folder, capsys):
    for stage in STAGES:
        names = [name for name in outputs(stage) if name != PAGE]  # it says how long training took
        before = {name: snapshot_of(Path(name)) for name in names}
        without_outputs(stage)
        assert run_here(stage, capsys).status == 0
        assert {name: snapshot_of(Path(name)) for name in names} == before, stage


def test_a_split_by_slice_marks_every_metric_it_leads_to(folder, capsys):
    change_params(folder, {"split": {"by": "slice"}} | ONE_EPOCH)
    said = {stage: run_here(stage, capsys) for stage in STAGES[STAGES.index("split") :]}
    assert {run.status for run in said.values()} == {0}
    sides = pd.read_csv("splits/split.csv").groupby("patient")["split"].nunique()
    assert (sides > 1).any()
    for name in ("test", "train_unet", "train_unetpp", "val"):
        assert json.loads(Path(f"metrics/{name}.json").read_text())["leaky"] is True, name
    assert json.loads(Path("metrics/test.json").read_text())["split_by"] == "slice"
    shapes = json.loads(Path("metrics/radiogenomics.json").read_text())
    assert (shapes["manual"]["n"], shapes["predicted"]["n"]) == (8, 0)  # slices here and there have no shape
    for name in ("unet", "unetpp", "ensemble"):
        assert json.loads(Path(f"models/{name}.json").read_text())["metrics"]["validation"]["leaky"] is True
    assert "LEAKY" in said["split"].out
    assert said["evaluate"].out.count("LEAKY") == 2


def test_patients_may_be_named_by_numbers(folder, capsys):
    change_params(folder, ONE_EPOCH)
    for index, old in enumerate(sorted(Path("data/raw/kaggle_3m").glob("PHANTOM*")), start=1):
        for path in list(old.iterdir()):
            path.rename(old / path.name.replace(old.name, f"{index:03d}"))
        old.rename(old.parent / f"{index:03d}")
    for stage in STAGES[1:]:
        without_outputs(stage)
        assert run_here(stage, capsys).status == 0, stage
    assert set(pd.read_csv("metrics/per_patient.csv", dtype=str)["patient"]) < {f"{n:03d}" for n in range(1, 9)}


def test_a_split_by_patient_marks_none(finished):
    for name in ("test", "train_unet", "train_unetpp", "val"):
        assert json.loads((finished / f"metrics/{name}.json").read_text())["leaky"] is False, name


@pytest.mark.parametrize("stage", STAGES)
def test_help_explains_arguments_and_parameters(stage, folder, capsys):
    before = snapshot(folder)
    said = run_here(stage, capsys, "--help")
    text = " ".join(re.sub("[│╭╮╰╯─]", " ", said.out).split())
    assert (said.status, said.err) == (0, "")
    assert "--params" in text
    sections = yaml.safe_load(Path("params.yaml").read_text())
    for section, key in re.findall(r"`([a-z_]+)\.([a-z_]+)[:`]", text):
        assert key in sections[section], f"{section}.{key}"
    if stage in ("download", "filter_labeled", "skull_strip", "clahe", "split"):
        assert f"{stage}." in text
    assert snapshot(folder) == before


@pytest.mark.parametrize(
    "arguments", [(), ("data/stripped",), ("data/stripped", "out", "more"), ("data/stripped", "out", "--quick")]
)
def test_a_wrong_command_line_is_explained(arguments, folder, capsys):
    without_outputs("clahe")
    before = snapshot(folder)
    said = run_here("clahe", capsys, *(arguments or ("--params", "params.yaml")))
    assert said.status == 2
    assert "Usage: " in said.err
    assert "Traceback" not in said.err
    assert snapshot(folder) == before


def test_an_unknown_network_is_explained(folder, capsys):
    arguments = ("vnet", "data/clahe", "data/index.csv", "splits/split.csv", "trained/vnet.safetensors", "metrics")
    said = run_here("train_unet", capsys, *arguments)
    assert said.status == 2
    assert "unet" in said.err
    assert "vnet" in said.err
