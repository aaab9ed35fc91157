from pathlib import Path

import numpy as np
import pytest
import tifffile

from brainseg.data.raw import barcode, institution, list_patients, list_slices, read_patient, read_tif
from brainseg.errors import DataError


def put(folder: Path, name: str, value: int = 0, shape: tuple[int, ...] = (4, 4, 3)) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(folder / name, np.full(shape, value, np.uint8))


def test_institution() -> None:
    assert institution("TCGA_DU_7010_19860307") == "DU"
    assert institution("someone") == "unknown"


def test_the_barcode_drops_the_date() -> None:
    assert barcode("TCGA_HT_A61B_19991127") == "TCGA_HT_A61B"


def test_patients_are_folders_sorted(tmp_path: Path) -> None:
    for name in ("B_1_x", "A_1_x"):
        put(tmp_path / "kaggle_3m" / name, f"{name}_1.tif")
    (tmp_path / "kaggle_3m" / "data.csv").touch()
    assert [p.name for p in list_patients(tmp_path)] == ["A_1_x", "B_1_x"]
    with pytest.raises(DataError, match="has no patient folders"):
        list_patients(tmp_path / "elsewhere")


def test_slices_are_in_the_order_of_their_numbers_not_names(tmp_path: Path) -> None:
    folder = tmp_path / "P_1"
    for number in (10, 2, 1):
        put(folder, f"P_1_{number}.tif", number)
        put(folder, f"P_1_{number}_mask.tif", 255 if number == 2 else 0, (4, 4))
    entries, strangers = list_slices(folder)
    assert [entry.number for entry in entries] == [1, 2, 10]
    assert strangers == []
    patient = read_patient(folder)
    assert patient.slices.tolist() == [1, 2, 10]
    assert patient.images[:, 0, 0, 0].tolist() == [1, 2, 10]
    assert patient.masks.any((1, 2)).tolist() == [False, True, False]
    assert patient.brain.all()


def test_what_is_no_slice_is_listed(tmp_path: Path) -> None:
    folder = tmp_path / "P_1"
    for name in ("P_1_1.tif", "P_1_01.tif", "Q_1_1.tif", "P_1_x.tif"):
        put(folder, name)
    (folder / "notes.txt").touch()
    entries, strangers = list_slices(folder)
    assert [(e.number, e.mask) for e in entries] == [(1, None)]
    assert sorted(p.name for p in strangers) == ["P_1_1.tif", "P_1_x.tif", "Q_1_1.tif", "notes.txt"]


def test_damaged_tif(tmp_path: Path) -> None:
    put(tmp_path, "a.tif")
    path = tmp_path / "a.tif"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DataError, match=r"a\.tif cannot be read as TIF"):
        read_tif(path)
