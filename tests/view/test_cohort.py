"""All results of a folder: which there are, in which order, and each at an address of its own."""

from __future__ import annotations

import json
import shutil

import pytest

from brainseg.view.cohort import CohortTable
from brainseg.view.result import results_in


@pytest.fixture
def table(out, tmp_path):
    shutil.copytree(out, tmp_path / "out")
    folder = tmp_path / "out"
    (folder / "tifs_overlay.png").write_bytes(b"a picture")
    (folder / "worklist.csv").write_text(
        "case,level,dice,reasons\nlost,failed,,it cannot be read\nturned,check,0.5,\ntifs,good,0.9,\nstudy,good,0.95,\n"
    )
    return CohortTable(folder, results_in(folder)[0])


def test_the_list_is_that_of_the_worklist_and_tells_what_failed(table):
    said = json.loads(table["/cohort.json"].body)
    assert [row["case"] for row in said["cases"]] == ["turned", "tifs", "study"]
    assert said["failed"] == [{"case": "lost", "why": "it cannot be read"}]
    assert [row["picture"] for row in said["cases"]] == [None, "1/overlay.png", None]
    assert said["cases"][0]["tumour"].endswith(" ml")
    assert said["cases"][1]["tumour"].endswith(" voxels")
    assert table["/1/overlay.png"].body == b"a picture"


def test_each_case_has_its_addresses_and_its_neighbours(table):
    first, last = (json.loads(table[f"/{number}/result.json"].body) for number in (0, 2))
    assert (first["case"], first["place"], first["previous"], first["next"]) == ("turned", "1 of 3", None, "../1/")
    assert (last["case"], last["previous"], last["next"]) == ("study", "../1/", None)
    assert b"<title>brainseg</title>" in table["/0/"].body
    assert table["/0/mask.nii.gz"].kind == "application/gzip"


@pytest.mark.parametrize(
    "path", ["/3/", "/0", "/00/", "/-1/", "/0/x", "/0/../1/", "*", "", "//", "/0/overlay.png", "/²/"]
)
def test_everything_else_is_not_there(table, path):
    assert table.get(path) is None


def test_a_case_that_cannot_be_shown_says_why_and_leads_on(out, tmp_path):
    shutil.copytree(out, tmp_path / "out")
    (tmp_path / "out" / "turned_mask.nii.gz").unlink()
    table = CohortTable(tmp_path / "out", results_in(tmp_path / "out")[0])
    number = [row["case"] for row in json.loads(table["/cohort.json"].body)["cases"]].index("turned")
    said = json.loads(table[f"/{number}/result.json"].body)
    assert "turned_mask.nii.gz does not exist" in said["error"]
    assert said["previous"]
    assert b"app.js" in table[f"/{number}/"].body
