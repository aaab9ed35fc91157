from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from brainseg.data.integrity import SliceRecord, scan
from brainseg.errors import DataError, DatasetError

A, B = "TCGA_AA_0001_19990101", "TCGA_BB_0002_19990102"


@pytest.fixture
def raw(tmp_path: Path, make_tree: Callable[..., Path]) -> Path:
    return make_tree(tmp_path / "raw", {A: 4, B: 3})


def problems(raw: Path) -> list[str]:
    with pytest.raises(DatasetError) as caught:
        scan(raw)
    return caught.value.problems


def test_records_of_a_sound_tree(raw: Path):
    # masks of the fixture: rows 2:4, columns 2 : 2 + number on even slices
    assert scan(raw) == [
        SliceRecord(A, 1, 0),
        SliceRecord(A, 2, 4),
        SliceRecord(A, 3, 0),
        SliceRecord(A, 4, 8),
        SliceRecord(B, 1, 0),
        SliceRecord(B, 2, 4),
        SliceRecord(B, 3, 0),
    ]


def _remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _write(name: str, array: np.ndarray) -> Callable[[Path], None]:
    return lambda folder: tifffile.imwrite(
        folder / name, array, photometric="rgb" if array.shape[-1] == 3 else "minisblack"
    )


def _truncate(name: str, keep: int) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:keep])


def _copy(source: str, target: str) -> Callable[[Path], None]:
    return lambda folder: (folder / target).write_bytes((folder / source).read_bytes()) and None


RNG = np.random.default_rng(1)
IMAGE = RNG.integers(0, 256, (8, 8, 3), dtype=np.uint8)
MASK = np.zeros((8, 8), np.uint8)
GREY = MASK.copy()
GREY[:3, 0] = 7, 128, 255


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (_remove(f"{A}_2_mask.tif"), f"{A}_2.tif has no mask beside it"),
        (_remove(f"{A}_2.tif"), f"{A}_2_mask.tif has no image beside it"),
        (_write(f"{A}_2_mask.tif", MASK[:6]), f"{A}_2_mask.tif is 6 x 8 pixels, its image 8 x 8"),
        (_write(f"{A}_2.tif", IMAGE.astype(np.uint16)), r"_2.tif is uint16 \[8, 8, 3\], expected uint8"),
        (
            _write(f"{A}_2_mask.tif", MASK.astype(np.float32)),
            r"_2_mask.tif is float32 \[8, 8\], expected uint8",
        ),
        (
            _write(f"{A}_2.tif", IMAGE[..., 0]),
            r"_2.tif is uint8 \[8, 8\], expected uint8 \[height, width, 3\]",
        ),
        (
            _write(f"{A}_2_mask.tif", IMAGE),
            r"_2_mask.tif is uint8 \[8, 8, 3\], expected uint8 \[height, width\]",
        ),
        (_write(f"{A}_2_mask.tif", GREY), "_2_mask.tif holds the values 0, 7, 128, 255, expected 0 and 255"),
        (_truncate(f"{A}_2.tif", 0), f"{A}_2.tif cannot be read as TIF"),
        (_truncate(f"{A}_2.tif", 60), f"{A}_2.tif cannot be read as TIF"),
        (_truncate(f"{A}_2.tif", -20), f"{A}_2.tif cannot be read as TIF"),
        (_copy(f"{A}_1.tif", f"{A}_3.tif"), f"{A}_3.tif is the same picture as slice 1"),
        (_copy(f"{A}_2.tif", f"{A}_02.tif"), "is slice 2 a second time"),
        (lambda folder: (folder / "notes.txt").write_text("x"), "notes.txt is no slice, expected TCGA_AA"),
        (_copy(f"{A}_2.tif", f"{B}_2.tif"), f"{B}_2.tif is no slice, expected {A}_<slice>.tif"),
        (lambda folder: (folder.parent / ".DS_Store").write_text("x"), ".DS_Store is not of the dataset"),
        (
            lambda folder: (folder.parent / "TCGA_CC_0009_20000101").mkdir(),
            "holds no TCGA_CC_0009_20000101_<",
        ),
    ],
)
def test_each_problem_has_its_sentence(raw: Path, spoil: Callable[[Path], None], sentence: str):
    spoil(raw / "kaggle_3m" / A)
    with pytest.raises(DatasetError, match=sentence) as caught:
        scan(raw)
    assert len(caught.value.problems) == 1


def test_a_slice_of_another_size_than_its_stack(raw: Path):
    folder = raw / "kaggle_3m" / A
    _write(f"{A}_2.tif", np.zeros((6, 8, 3), np.uint8))(folder)
    _write(f"{A}_2_mask.tif", MASK[:6])(folder)
    assert problems(raw) == [f"{folder / A}_2.tif is 6 x 8 pixels, expected 8 x 8 as in the rest of the stack."]


def test_a_gap_in_the_numbers(raw: Path):
    folder = raw / "kaggle_3m" / A
    _remove(f"{A}_2.tif")(folder)
    _remove(f"{A}_2_mask.tif")(folder)
    assert problems(raw) == [f"{folder} has slices 1 to 4 without 2; restore what is missing."]


def test_all_problems_are_listed_by_patient(raw: Path):
    _remove(f"{A}_2_mask.tif")(raw / "kaggle_3m" / A)
    _truncate(f"{A}_4.tif", 50)(raw / "kaggle_3m" / A)
    _write(f"{B}_1_mask.tif", GREY)(raw / "kaggle_3m" / B)
    found = problems(raw)
    assert [f"{A}_2" in found[0], f"{A}_4" in found[1], f"{B}_1" in found[2]] == [True] * 3
    assert len(found) == 3


def test_masks_of_0_and_1_count_as_binary(raw: Path):
    _write(f"{A}_1_mask.tif", np.eye(8, dtype=np.uint8))(raw / "kaggle_3m" / A)
    assert scan(raw)[0] == SliceRecord(A, 1, 8)


def test_a_mask_of_both_1_and_255_is_not_binary(raw: Path):
    mixed = np.eye(8, dtype=np.uint8)
    mixed[0, 0] = 255
    _write(f"{A}_1_mask.tif", mixed)(raw / "kaggle_3m" / A)
    assert "holds the values 0, 1, 255" in problems(raw)[0]


def test_black_pictures_may_repeat(raw: Path):
    for number in (1, 2):
        _write(f"{A}_{number}.tif", np.zeros((8, 8, 3), np.uint8))(raw / "kaggle_3m" / A)
    assert len(scan(raw)) == 7


def test_the_same_picture_in_two_patients_is_no_problem(raw: Path):
    source = raw / "kaggle_3m" / A / f"{A}_1.tif"
    (raw / "kaggle_3m" / B / f"{B}_1.tif").write_bytes(source.read_bytes())
    assert len(scan(raw)) == 7


def test_no_patients(tmp_path: Path):
    with pytest.raises(DataError, match="no patient folders"):
        scan(tmp_path)
