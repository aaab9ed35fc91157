import numpy as np
import pandas as pd
import pytest

from brainseg.evaluation.metrics import PATIENT_COLUMNS, Evaluation
from brainseg.evaluation.tables import dice_by_patient, per_patient


def evaluation(dice):
    rows = pd.DataFrame(0.0, index=range(3), columns=list(PATIENT_COLUMNS)).astype({"patient": object})
    rows["patient"], rows["dice"], rows["tumour_px"] = ["a", "b", "c"], dice, [90, 10, 10]
    return Evaluation(rows, pd.DataFrame())


EVALUATIONS = {"unet": evaluation([0.1, 0.2, 0.3]), "ensemble": evaluation([0.4, 0.5, 0.6])}


def test_per_patient_has_the_columns_of_the_interface():
    table = per_patient(EVALUATIONS)
    interface = "model,patient,dice,iou,precision,recall,hd95_px,nsd_2px,tumour_px,predicted_px"
    assert ",".join(table.columns).startswith(interface)
    assert table["model"].tolist() == ["unet"] * 3 + ["ensemble"] * 3
    assert table["patient"].tolist() == ["a", "b", "c"] * 2
    assert table["dice"].tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])


def test_dice_by_patient_rises_with_size_and_has_a_column_a_model():
    table = dice_by_patient(EVALUATIONS)
    assert table.columns.tolist() == ["patient", "tumour_px", "unet", "ensemble"]
    assert table["patient"].tolist() == ["b", "c", "a"]
    assert np.allclose(table[["unet", "ensemble"]], [[0.2, 0.5], [0.3, 0.6], [0.1, 0.4]])
