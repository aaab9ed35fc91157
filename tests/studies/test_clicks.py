import pandas as pd
import pytest

from brainseg.errors import DataError
from studies.clicks import summarise


def rows(dice: dict[str, list[float]], most: int = 10, fold: int = 0) -> pd.DataFrame:
    return pd.DataFrame(
        {"fold": fold, "answerer": "geodesic", "patient": patient, "clicks": clicks, "dice": value, 
         "brush_px": 10 * clicks, "brush_px_to_90": 70, "most": most}
        for patient, values in dice.items()
        for clicks, value in enumerate(values)
    )  # fmt: skip


def test_figures_known_by_hand() -> None:
    table = rows(
        {
            "A": [0.95] * 11,
            "B": [0.5, 0.8, 0.9, 1.0],  # right after three clicks
            "C": [0.4] * 11,
            "D": [0.7, 0.7, 0.7, 0.7, 0.7, 0.8, 0.9, 0.9, 0.9, 0.9, 0.9],
            "E": [0.8, 0.8, 0.8, 0.8, 0.95, 0.95, 0.95, 0.95, 0.95, 0.95, 0.95],
        }
    )
    expected = {"A": 0.9, "B": 0.6, "C": 0.7, "D": 0.8, "E": 0.85}
    found = summarise(table, expected, seed=1)["answerers"]["geodesic"]
    assert found["n"] == 5
    assert found["dice"]["0"]["mean"] == pytest.approx((0.95 + 0.5 + 0.4 + 0.7 + 0.8) / 5)
    assert found["dice"]["5"]["mean"] == pytest.approx((0.95 + 1 + 0.4 + 0.8 + 0.95) / 5)
    assert found["noc_90"]["mean"] == pytest.approx((0 + 2 + 10 + 6 + 4) / 5)
    assert found["noc_90"]["never"] == 1
    assert {k: n for k, n in found["noc_90"]["patients"].items() if n} == {"0": 1, "2": 1, "4": 1, "6": 1}
    least = found["least_trusted"]
    assert least["clicked"] == 1
    assert least["dice_after_5"]["mean"] == pytest.approx((0.95 + 1 + 0.4 + 0.7 + 0.8) / 5)
    assert found["brush"] == {"px_to_90_median": 70, "px_as_5_clicks_median": 50}
    assert summarise(table, {}, seed=1)["answerers"]["geodesic"]["least_trusted"] is None


def test_a_patient_of_two_folds_is_refused() -> None:
    table = pd.concat([rows({"A": [0.5, 0.6]}, fold=fold) for fold in (0, 1)])
    with pytest.raises(DataError, match="two folds"):
        summarise(table, {}, seed=1)
