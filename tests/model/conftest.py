from pathlib import Path

import pandas as pd
import pytest

from brainseg.data import slices
from brainseg.model.dataset import TrainingData, gather
from tests.model.small import blob_patient, train_params


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Slice sets of six patients with index.csv and split.csv."""
    path = tmp_path_factory.mktemp("sets")
    rows = []
    for p in range(6):
        patient = blob_patient(p)
        slices.save(path / f"P{p}.npz", patient)
        rows += [
            {
                "patient": f"P{p}", "slice": s, "institution": "S", "tumour_px": int(m.sum()), "labeled": bool(m.any()),
                "kept": bool(m.any()), "split": ["train", "train", "train", "train", "val", "test"][p],
            }
            for s, m in zip(patient.slices.tolist(), patient.masks, strict=True)
        ]  # fmt: skip
    table = pd.DataFrame(rows)
    table.drop(columns="split").to_csv(path / "index.csv", index=False)
    table[["patient", "slice", "split"]].to_csv(path / "split.csv", index=False)
    return path


@pytest.fixture(scope="session")
def data(folder: Path) -> TrainingData:
    return gather(folder, pd.read_csv(folder / "index.csv"), pd.read_csv(folder / "split.csv"), train_params().inputs)
