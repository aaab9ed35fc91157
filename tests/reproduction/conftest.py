"""One finished pipeline for all tests of this folder, and what they read of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.pipeline import STAGES, Checkout, set_up, stages_run

MODELS = ("unet", "unetpp", "ensemble")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout after its first `dvc repro`, results committed. Read it, do not change it."""
    checkout = set_up(tmp_path_factory.mktemp("finished"))
    said = checkout.dvc("repro")
    assert stages_run(said) == ["code", *STAGES]
    checkout.commit("results")
    return checkout


@pytest.fixture
def copied(finished: Checkout, tmp_path: Path) -> Checkout:
    """A copy of it, cache and history included, to change."""
    return finished.copy(tmp_path)


def read_json(checkout: Checkout, name: str) -> dict[str, Any]:
    return json.loads((checkout.root / "metrics" / f"{name}.json").read_text(encoding="utf-8"))


def read_split(checkout: Checkout) -> pd.DataFrame:
    return pd.read_csv(checkout.root / "splits" / "split.csv", dtype={"patient": str})
