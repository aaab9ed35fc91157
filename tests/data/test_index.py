from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainseg.data.index import (
    FilterLabeledParams,
    build_index,
    dataset_metrics,
    institution_table,
    read_index,
)
from brainseg.data.integrity import SliceRecord
from brainseg.errors import DataError, ParamsError
from brainseg.files import write_csv
from brainseg.params import validate

A, B = "TCGA_AA_0001_19990101", "TCGA_BB_0002_19990102"
RECORDS = [
    *(SliceRecord(A, n, px) for n, px in enumerate((0, 0, 12, 30, 0), start=1)),
    *(SliceRecord(B, n, px) for n, px in enumerate((0, 5, 0), start=1)),
]


def index_of(ratio: float, seed: int = 0, records: list[SliceRecord] = RECORDS) -> pd.DataFrame:
    return build_index(records, FilterLabeledParams(empty_per_labeled=ratio), seed)


def test_original_recipe_keeps_labelled_slices_alone():
    index = index_of(0)
    assert list(index.columns) == ["patient", "slice", "institution", "tumour_px", "labeled", "kept"]
    assert index["slice"].tolist() == [1, 2, 3, 4, 5, 1, 2, 3]
    assert index["institution"].tolist() == ["AA"] * 5 + ["BB"] * 3
    assert index["labeled"].tolist() == [False, False, True, True, False, False, True, False]
    assert index["kept"].tolist() == index["labeled"].tolist()


def test_a_large_ratio_keeps_everything():
    assert index_of(1000)["kept"].all()


def test_counts_are_by_patient():
    kept = index_of(1)[lambda t: ~t["labeled"] & t["kept"]]
    assert kept["patient"].tolist() == [A, A, B]


patients = st.dictionaries(
    st.sampled_from([f"TCGA_{site}_{n:04}_19990101" for site in "XYZ" for n in range(3)]),
    st.lists(st.integers(0, 3), min_size=1, max_size=12),
    min_size=1,
    max_size=5,
)


@settings(max_examples=30, deadline=None)
@given(patients=patients, ratio=st.floats(0, 5), seed=st.integers(0, 2**32 - 1))
def test_keep_rule(patients: dict[str, list[int]], ratio: float, seed: int):
    records = [SliceRecord(p, n, px) for p, stack in patients.items() for n, px in enumerate(stack, start=1)]
    index = index_of(ratio, seed, records)
    assert len(index) == len(records)
    assert index.loc[index["labeled"], "kept"].all()
    for patient, stack in patients.items():
        labelled = sum(px > 0 for px in stack)
        empty_kept = index[(index["patient"] == patient) & ~index["labeled"]]["kept"].sum()
        assert empty_kept == min(len(stack) - labelled, round(ratio * labelled))
    pd.testing.assert_frame_equal(index, index_of(ratio, seed, records))
    more = index_of(ratio + 1, seed, records)
    assert (more["kept"] | ~index["kept"]).all(), "a larger ratio only adds slices"


def test_the_draw_depends_on_seed_and_patient_alone():
    records = [SliceRecord(p, n, int(n == 1)) for p in (A, B) for n in range(1, 41)]
    index = index_of(10, 1, records)
    alone = index_of(10, 1, records[40:])
    assert index["kept"][40:].tolist() == alone["kept"].tolist()
    assert index["kept"][:40].tolist() != index["kept"][40:].tolist()
    assert index["kept"].tolist() != index_of(10, 2, records)["kept"].tolist()


def test_written_index_reads_back(tmp_path: Path):
    index = index_of(1)
    write_csv(tmp_path / "index.csv", index)
    pd.testing.assert_frame_equal(read_index(tmp_path / "index.csv"), index, check_dtype=False)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "does not exist; `dvc repro` makes it"),
        ("", "is not a CSV table"),
        ("patient,slice\nA,1\n", "lacks the columns institution, tumour_px, labeled, kept"),
        (
            "patient,slice,institution,tumour_px,labeled,kept\nA,one,B,0,True,True\n",
            "holds more than whole numbers in the column slice",
        ),
        (
            "patient,slice,institution,tumour_px,labeled,kept\nA,1,B,0,maybe,True\n",
            "holds more than True and False in the column labeled",
        ),
    ],
)
def test_bad_index(tmp_path: Path, text: str | None, sentence: str):
    if text is not None:
        (tmp_path / "index.csv").write_text(text)
    with pytest.raises(DataError, match=sentence):
        read_index(tmp_path / "index.csv")


def test_metrics_by_hand():
    assert dataset_metrics(index_of(1)) == {
        "patients": 2,
        "slices": 8,
        "labeled": 3,
        "empty": 5,
        "kept": 6,
        "tumour_px": 47,
        "institutions": {
            "AA": {"patients": 1, "slices": 5, "labeled": 2},
            "BB": {"patients": 1, "slices": 3, "labeled": 1},
        },
    }


def test_institution_table_by_hand():
    assert institution_table(index_of(0)).values.tolist() == [
        ["AA", "labeled", 2],
        ["AA", "empty", 3],
        ["BB", "labeled", 1],
        ["BB", "empty", 2],
    ]


@pytest.mark.parametrize("value", [-0.1, 1000.5, "1", float("nan")])
def test_ratio_out_of_range(value: object):
    with pytest.raises(ParamsError, match=r"params.yaml: filter_labeled.empty_per_labeled is"):
        validate({"empty_per_labeled": value}, FilterLabeledParams, "params.yaml: filter_labeled")
