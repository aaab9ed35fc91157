"""The recipe of the original text: its settings are those of params.yaml, and no honest experiment is taken for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from brainseg.errors import DataError
from studies import original


def test_every_setting_is_one_of_params_yaml_and_differs_from_it():
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    for key, value in original.SETTINGS.items():
        section, name = key.split(".")
        assert params[section][name] != value
    assert "filter_labeled.empty_per_labeled=0.0" in original.line()
    assert original.line()[-1] == "evaluate"


def test_an_experiment_split_by_patient_is_refused(monkeypatch, tmp_path):
    import dvc.api

    monkeypatch.setattr(original, "OUT", tmp_path / "original.json")
    monkeypatch.setattr(dvc.api, "read", lambda path, rev: json.dumps({"leaky": False}))
    with pytest.raises(DataError, match="split by patient"):
        original.gather()
    monkeypatch.setattr(dvc.api, "read", lambda path, rev: json.dumps({"leaky": True, "unet": {"n": 3}}))
    original.gather()
    found = json.loads((tmp_path / "original.json").read_text())
    assert (found["leaky"], found["unet"]) == (True, {"n": 3})
    assert "split.by=" in found["command"]
