import pandas as pd
import pytest

from brainseg.errors import DataError
from studies.teach import keep_sides

BEFORE = pd.DataFrame(
    [("A", 1, "train"), ("A", 2, "train"), ("B", 1, "val"), ("C", 1, "test")], columns=["patient", "slice", "split"]
)


def index(*rows: tuple[str, int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["patient", "slice"]).assign(kept=True)


def test_known_patients_stay_and_new_ones_are_learnt_from() -> None:
    found = keep_sides(BEFORE, index(("A", 1), ("A", 2), ("B", 1), ("C", 1), ("C", 2), ("N", 1)))
    assert found.columns.tolist() == ["patient", "slice", "split"]
    assert found["split"].tolist() == ["train", "train", "val", "test", "test", "train"]


def test_a_test_patient_cannot_go_and_no_patient_is_on_two_sides() -> None:
    with pytest.raises(DataError, match="C is in the split's test"):
        keep_sides(BEFORE, index(("A", 1), ("B", 1)))
    leaky = pd.concat([BEFORE, pd.DataFrame([("A", 3, "test")], columns=BEFORE.columns)])
    with pytest.raises(DataError, match="A is on two sides"):
        keep_sides(leaky, index(("A", 1)))
