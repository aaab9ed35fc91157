"""summary.csv, cell by cell."""

from __future__ import annotations

import csv

from brainseg.cohort.predict import Outcome
from brainseg.cohort.summary import line, write_summary


def test_no_cell_of_the_summary_is_a_formula(tmp_path):
    outcomes = [Outcome(name, "failed", error="@cause") for name in ("=1+1", "-x", "+x", "plain")]
    write_summary(outcomes, tmp_path)
    with (tmp_path / "summary.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["case"] for row in rows] == ["'+x", "'-x", "'=1+1", "plain"]
    assert {row["error"] for row in rows} == {"'@cause"}


def test_the_summary_has_whole_counts_and_leaves_empty_what_is_unknown(tmp_path):
    """One failed case once made 1.23457e+06 of all counts."""
    tumour = {"voxels": 1234567, "volume_ml": 12.3456789, "largest_diameter_mm": None, "slices": [3, 4]}
    tumour |= {"parts": 2, "side": "left", "rano": {"slice": 3, "diameter_mm": 9.5, "product_mm2": 1e-7}}
    done = Outcome("a", "done", report={"tumour": tumour, "warnings": ["dark, and flat"]})
    write_summary([Outcome("b", "failed", error='"b" is no scan.'), done], tmp_path)
    assert (tmp_path / "summary.csv").read_bytes() == (
        b"case,status,tumour_voxels,tumour_ml,largest_diameter_mm,rano_diameter_mm,rano_perpendicular_mm,"
        b"rano_product_mm2,parts,side,brain_ml,slices,trust,expected_dice,dice,trained_on,warnings,error\n"
        b'a,done,1234567,12.3457,,9.5,,1e-07,2,left,,2,,,,,"dark, and flat",\n'
        b'b,failed,,,,,,,,,,,,,,,,"""b"" is no scan."\n'
    )


def test_the_line_of_a_doubtful_mask_has_its_worst_reasons_and_each_sentence_once():
    tumour = {"voxels": 5, "volume_ml": None, "slices": [3]}
    trust = {"dice": 0.712, "dice_low": 0.5, "level": "check", "reasons": ["the first", "a warning", "next", "last"]}
    report = {"tumour": tumour, "trust": trust, "warnings": ["a warning"]}
    assert line(Outcome("a", "done", report=report)).splitlines() == [
        "a: tumour of 5 voxels in 1 slices; expected Dice 0.71 (90% have 0.50 or more): check",
        "  check: the first",
        "  check: next",
        "  warning: a warning",
    ]
    report["tumour"], trust["level"], trust["reasons"] = tumour | {"voxels": 0}, "unreliable", ["nothing there"]
    assert line(Outcome("a", "done", report=report)).splitlines()[:2] == [
        "a: no tumour: unreliable",
        "  unreliable: nothing there",
    ]
