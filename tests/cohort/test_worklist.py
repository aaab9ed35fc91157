"""worklist.csv: all cases of the folder, least trusted first."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from brainseg.cohort.outputs import WORKLIST, prepare
from brainseg.cohort.predict import Outcome
from brainseg.cohort.records import sealed
from brainseg.cohort.worklist import COLUMNS, write_worklist
from brainseg.errors import DataError


def result(out: Path, case: str, dice: float, level: str, *reasons: str) -> None:
    trust = {"dice": dice, "dice_low": dice / 2, "level": level, "volume_low": 1, "volume_high": 9, "reasons": reasons}
    out.mkdir(exist_ok=True)
    (out / f"{case}.json").write_text(sealed({"case": case, "trust": trust | {"reasons": list(reasons)}, "files": {}}))


def rows(out: Path) -> list[dict[str, str]]:
    with (out / WORKLIST).open(newline="") as handle:
        reader = csv.DictReader(handle)
        found = list(reader)
    assert tuple(reader.fieldnames or ()) == COLUMNS
    return found


def test_the_least_trusted_comes_first_and_what_failed_before_it(tmp_path: Path):
    out = tmp_path / "out"
    result(out, "good", 0.9, "good")
    result(out, "bad", 0.4, "unreliable", "=it is small", "it is faint")
    result(out, "middle", 0.7, "check", "it is unsure")
    (out / "theirs.json").write_text(json.dumps({"trust": {"dice": 0.0}}))
    write_worklist([Outcome("good", "done"), Outcome("lost", "failed", error="no head")], out)
    found = rows(out)
    assert [row["case"] for row in found] == ["lost", "bad", "middle", "good"]
    assert [row["level"] for row in found] == ["failed", "unreliable", "check", "good"]
    assert (found[0]["dice"], found[0]["reasons"]) == ("", "no head")
    assert (found[1]["dice"], found[1]["reasons"]) == ("0.4", "'=it is small; it is faint")
    assert (found[1]["volume_high"], found[1]["volume_high_ml"]) == ("9", "")
    result(out, "good", 0.1, "unreliable")
    write_worklist([Outcome("good", "done")], out)
    assert [row["case"] for row in rows(out)] == ["good", "bad", "middle"]


def test_of_a_single_case_that_failed_nothing_is_left(tmp_path: Path):
    (tmp_path / "out").mkdir()
    write_worklist([Outcome("lost", "failed", error="no head")], tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_a_list_that_somebody_wrote_is_in_the_way(tmp_path: Path):
    result(tmp_path, "a", 0.5, "check")
    (tmp_path / WORKLIST).write_text("mine")
    with pytest.raises(DataError, match=r"worklist\.csv is in the way"):
        write_worklist([Outcome("a", "done")], tmp_path)
    with pytest.raises(DataError, match=r"worklist\.csv is in the way"):
        prepare([], tmp_path)
    assert (tmp_path / WORKLIST).read_text() == "mine"
