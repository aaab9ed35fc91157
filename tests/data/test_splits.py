from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainseg.data.splits import SplitParams, make_split, read_split
from brainseg.errors import DataError
from brainseg.params import shipped_section


def index(patients: int, slices: int = 6, sites: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(patients)
    rows = [
        {"patient": f"P{p:03}", "slice": s, "institution": f"S{p % sites}", "tumour_px": int(rng.integers(0, 900))}
        for p in range(patients)
        for s in range(1, slices + 1)
    ]
    return pd.DataFrame(rows)


def params(**changes: object) -> SplitParams:
    return shipped_section("split", SplitParams, **changes)


def leaking_patients(split: pd.DataFrame) -> list[str]:
    """Patients with slices in more than one split, sorted."""
    sides = split.groupby("patient")["split"].nunique()
    return sorted(str(patient) for patient in sides.index[sides > 1])


def by_patient(split: pd.DataFrame) -> pd.Series:
    return split.groupby("patient")["split"].first()


@settings(max_examples=40, deadline=None)
@given(st.integers(8, 90), st.integers(1, 5), st.integers(0, 2**32 - 3))
def test_no_patient_is_on_two_sides(patients: int, sites: int, seed: int) -> None:
    table = index(patients, 3, sites)
    split = make_split(table, params(), seed)
    assert leaking_patients(split) == []
    assert split[["patient", "slice"]].equals(table[["patient", "slice"]])
    counts = by_patient(split).value_counts()
    assert counts["test"] == round(0.15 * patients)
    assert abs(counts["val"] - 0.15 * patients) <= 1
    pd.testing.assert_frame_equal(split, make_split(table, params(), seed))


def test_shares_of_88_patients() -> None:
    counts = by_patient(make_split(index(88), params(), 0)).value_counts()
    assert counts.to_dict() == {"train": 62, "val": 13, "test": 13}


def test_stratified_by_institution_and_size() -> None:
    table = index(120, sites=2)
    table["tumour_px"] = table["patient"].map(lambda p: 10 if int(p[1:]) % 4 < 2 else 1000)
    split = make_split(table, params(test=0.2, val=0.2), 3)
    joined = table.merge(split, on=["patient", "slice"]).drop_duplicates("patient")
    test = joined[joined["split"] == "test"]
    # 24 test patients over 2 institutions x 2 sizes
    assert test.groupby(["institution", "tumour_px"]).size().tolist() == [6, 6, 6, 6]


def test_split_by_slice_leaks_and_says_so() -> None:
    split = make_split(index(10, 20), params(by="slice"), 0)
    assert params(by="slice").leaky
    assert not params().leaky
    assert len(leaking_patients(split)) == 10
    assert split["split"].value_counts().to_dict() == {"train": 140, "val": 30, "test": 30}


@pytest.mark.parametrize("patients", [12, 88])
def test_folds_test_every_patient_once(patients: int) -> None:
    table = index(patients, sites=4)
    tested: list[str] = []
    for fold in range(5):
        split = make_split(table, params(folds=5, fold=fold), 7)
        assert leaking_patients(split) == []
        sides = by_patient(split)
        assert set(sides) == {"train", "val", "test"}
        tested += sides.index[sides == "test"].tolist()
    assert sorted(tested) == sorted(table["patient"].unique())


def test_another_seed_gives_another_split() -> None:
    table = index(40)
    assert not make_split(table, params(), 1).equals(make_split(table, params(), 2))


@pytest.mark.parametrize(("patients", "changes"), [(2, {}), (3, {}), (6, {"folds": 5})])
def test_too_few_patients(patients: int, changes: dict) -> None:
    with pytest.raises(DataError, match=r"use more data|too few"):
        make_split(index(patients), params(**changes), 0)


def test_read_split_refuses_what_is_no_split(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    with pytest.raises(DataError, match="does not exist"):
        read_split(path)
    path.write_text("patient,slice\nA,1\n")
    with pytest.raises(DataError, match="lacks the column split"):
        read_split(path)
    path.write_text("patient,slice,split\nA,1,tset\n")
    with pytest.raises(DataError, match="'tset', expected train, val, test"):
        read_split(path)
