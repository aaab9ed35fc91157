"""What `predict` does with inputs of real life: the mask of the FLAIR, or one sentence and nothing written."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from brainseg.cohort.predict import Outcome, Settings, predict_cases
from brainseg.errors import DataError
from brainseg.scans.cases import find_cases
from tests.cohort.fakes import without_networks
from tests.cohort.files import snapshot
from tests.real_life.inputs import FLAIR, Input
from tests.real_life.known import INPUTS

ROOT = Path(__file__).resolve().parents[1]
BRIGHT = FLAIR.astype(np.float32).mean() < FLAIR
"""What the fake segmenter finds in FLAIR, feet first, anterior at the top."""


def test_there_are_a_hundred():
    assert len(INPUTS) >= 100


def found(one: Input, folder: Path) -> tuple[list[Path], dict]:
    """What is named, and the options."""
    path = one.make(folder)
    options = dict(one.options)
    if "table" in options:
        return [], options | {"table": folder / options["table"]}
    return [path or folder], options


@pytest.mark.parametrize("name", INPUTS)
def test_an_input_of_real_life(tmp_path, name):
    one, out = INPUTS[name], tmp_path / "out"
    (tmp_path / "in").mkdir()
    paths, options = found(one, tmp_path / "in")
    before = snapshot(tmp_path / "in")
    outcomes: list[Outcome] = []
    try:
        cases = find_cases(paths, **options)
        with without_networks():
            outcomes = list(predict_cases(cases, Settings(out, trust_input=one.trust)))
        said = "\n".join(outcome.error or "" for outcome in outcomes)
    except DataError as error:
        said = str(error)
    assert snapshot(tmp_path / "in") == before
    if one.refused:
        assert re.search(one.refused, said), said
        assert "a defect of brainseg" not in said
        assert not out.exists() or not [path for path in out.rglob("*") if path.is_file()]
        return
    assert said.strip() == ""
    assert len(outcomes) == one.cases
    for case in cases:
        mask = case.read(trust=one.trust).origin.read_mask(out, case.name)
        np.testing.assert_array_equal(mask, BRIGHT)


def test_the_tests_that_the_docs_name_are_there():
    page = (ROOT / "docs" / "own_scan.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)`", page)
    assert named
    assert [path for path in named if not (ROOT / path).is_file()] == []
