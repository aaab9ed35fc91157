"""The page about cost from known costs, and the measurement itself at its smallest."""

from __future__ import annotations

import json
from typing import Any

import pytest

from studies import scale
from studies.scale_page import line, page


def costs(patients: int) -> dict[str, Any]:
    """Of a pipeline whose `flat` takes 100 MiB and whose `grows` 2 MiB a patient more."""
    return {
        "stages": {
            "flat": {"seconds": 1.0, "peak_mib": 100},
            "grows": {"seconds": 0.5 * patients, "peak_mib": 100 + 2 * patients},
        },
        "dvc": {"commit": 1.0, "status": 1.0 + 0.01 * patients, "repro": 2.0 + 0.006 * patients},
        "disk": {"data": {"files": 24 * patients, "mib": 1.0}, "cache": {"files": 30 * patients, "mib": 2.0}},
        "machine": "a machine",
    }


def test_lines_go_through_the_two_largest_runs():
    runs = {count: costs(count) for count in (10, 100, 1000)}
    runs[10]["stages"]["grows"]["peak_mib"] = 7000
    assert line(runs, "stages", "grows", "peak_mib") == pytest.approx((100, 2))
    runs[1000]["stages"]["flat"]["peak_mib"] = 90
    assert line(runs, "stages", "flat", "peak_mib")[1] == 0


def test_the_page_says_what_is_flat_and_what_becomes_of_the_rest():
    text = page({"all": {"10": costs(10), "100": costs(100)}, "before training": {"1000": costs(1000)}})
    assert "| flat | 1.0 s, 100 MiB | 1.0 s, 100 MiB | flat |" in text
    assert "| grows | 5.0 s, 120 MiB | 50.0 s, 300 MiB | 2.0 |" in text
    assert "| `dvc repro` | 2.1 s | 2.6 s | 8.0 s |" in text
    assert "| memory of grows, GiB | 19.6 | 1953.2 |" in text
    assert "| files in DVC's cache | 300000 | 30000000 |" in text
    assert "memory of flat" not in text


@pytest.mark.slow
def test_the_measurement_runs_the_stages_and_finds_nothing_to_do_afterwards(tmp_path, monkeypatch):
    monkeypatch.setattr(scale, "RESULTS", tmp_path / "scale.json")
    scale.idle([6])
    found = json.loads((tmp_path / "scale.json").read_text())["before training"]["6"]
    assert list(found["stages"]) == list(scale.BEFORE_TRAINING)
    assert found["disk"]["data"]["files"] > 6 * 2 * 8
    assert all(taken["peak_mib"] > 10 for taken in found["stages"].values())
