"""A scan that has moved is found again, and no other is taken for it."""

from __future__ import annotations

import json
import shutil

import pytest

from brainseg.errors import DataError
from brainseg.view.place import located
from brainseg.view.result import find_result


@pytest.fixture
def moved(out, tmp_path):
    """The results elsewhere, whose scans are not where predict read them; gives the folder around them."""
    shutil.copytree(out, tmp_path / "work" / "out")
    for path in (tmp_path / "work" / "out").glob("*.json"):
        if "input" in (said := json.loads(path.read_text())):
            said["input"] = {key: place.replace(str(out.parent), "/gone/away") for key, place in said["input"].items()}
            path.write_text(json.dumps(said))
    return tmp_path / "work"


def place(folder, case, scan=None):
    return located(find_result(folder / "out" / f"{case}.json"), scan).report.input["flair"]


@pytest.mark.parametrize("case", ["tifs", "study", "turned"])
def test_what_moved_together_is_found(moved, out, case):
    name = "turned.nii.gz" if case == "turned" else case
    source, target = out.parent / name, moved / "away" / name
    target.parent.mkdir()
    (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    assert place(moved, case) == target


def test_a_renamed_file_beside_the_result_is_known_by_its_values(moved, out):
    shutil.copy(out.parent / "turned.nii.gz", moved / "other_name.nii.gz")
    assert place(moved, "turned") == moved / "other_name.nii.gz"


def test_another_scan_of_the_same_name_is_not_taken(moved, out):
    (moved / "turned.nii.gz").write_bytes(b"another")
    with pytest.raises(DataError, match="say where it is with brainseg view --scan"):
        place(moved, "turned")


def test_the_user_can_say_where_it_is(moved, out):
    scan = out.parent / "turned.nii.gz"
    assert place(moved, "turned", scan) == scan
    with pytest.raises(DataError, match="is not the scan that"):
        place(moved, "turned", out.parent / "study")
    with pytest.raises(DataError, match="is not the scan that"):
        place(moved, "turned", out / "turned_mask.nii.gz")


def test_a_scan_that_is_where_it_was_is_taken_from_there(out):
    result = find_result(out / "turned.json")
    assert located(result) is result
