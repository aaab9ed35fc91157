import json

import numpy as np
import pandas as pd

from brainseg.data.slices import SliceSet
from brainseg.inference.predictor import Prediction
from brainseg.model.catalogue import MODELS
from brainseg.report.viewer import viewer, viewers

SLICES = np.array([3, 4, 7])


def one(found: int) -> tuple[SliceSet, dict[str, Prediction]]:
    """Three slices with tumour in the last two; the models mark `found` of them."""
    masks = np.zeros((3, 40, 40), bool)
    masks[1, 10:14, 10:14] = True
    masks[2, 10:20, 10:20] = True
    images = np.full((3, 40, 40, 3), 90, np.uint8)
    drawn = masks & (np.arange(3) >= 3 - found)[:, None, None]
    said = Prediction(drawn, drawn.astype(np.uint8) * 200, SLICES)
    return SliceSet(images, masks, np.ones_like(masks), SLICES), dict.fromkeys(MODELS, said)


ROWS = pd.DataFrame(
    [(model, "A", s, case, dice) for model in MODELS
     for s, case, dice in ((3, "both_empty", 1.0), (4, "missed", 0.0), (7, "both_present", 0.9))],
    columns=["model", "patient", "slice", "case", "dice"],
)  # fmt: skip


def test_a_patient_by_hand():
    content = viewer(*one(found=1), ROWS)
    assert (content["width"], content["height"], content["slices"], content["start"]) == (40, 40, [3, 4, 7], 2)
    assert len(content["images"]) == 3
    assert [bool(picture) for picture in content["probability"]] == [False, False, True]
    assert [bool(path) for path in content["outlines"]["truth"]] == [False, True, True]
    assert [bool(path) for path in content["outlines"]["unet"]] == [False, False, True]
    assert content["dice"] == {model: [None, 0.0, 0.9] for model in MODELS}  # nothing to score where both are empty


def test_the_worst_come_first_until_the_budget_ends():
    truth, found = one(found=2)
    truths = {"A": truth, "B": truth, "C": truth}
    predictions = {model: dict.fromkeys(truths, found[model]) for model in MODELS}
    rows = pd.concat([ROWS.assign(patient=patient) for patient in truths])
    size = len(json.dumps(viewer(truth, found, ROWS), separators=(",", ":")))
    assert list(viewers(truths, predictions, rows, ["C", "A", "B"], budget=2 * size)) == ["C", "A"]
    assert list(viewers(truths, predictions, rows, ["C", "A", "B"])) == ["C", "A", "B"]
