"""From corrected results, and from scans with masks beside them, to what the pipeline downloads."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from brainseg.correct.collect import collect
from brainseg.correct.saved import save
from brainseg.correct.session import Session
from brainseg.correct.steps import read_step
from brainseg.data import integrity
from brainseg.data.raw import TREE, read_patient
from brainseg.data.sources import DownloadParams, fetch
from brainseg.errors import DataError, UserError
from brainseg.params import shipped_section
from brainseg.scans.canvas import canvas_for, mask_from_canvas
from brainseg.view.result import find_result
from tests.correct.made import FLAIR, TUMOUR, make_results
from tests.scans.heads import as_nifti, head, write_tifs

CORRECTED = ("tifs", "turned", "study")


@pytest.fixture(scope="module")
def predicted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_results(tmp_path_factory.mktemp("collect"))


@pytest.fixture
def out(predicted: Path, tmp_path: Path) -> Path:
    shutil.copytree(predicted, tmp_path / "out")
    return tmp_path / "out"


def correct(out: Path, case: str) -> np.ndarray:
    """Remove the mask of slice 1; the corrected mask."""
    result = find_result(out / f"{case}.json")
    scan = result.case.read(trust=True)
    session = Session(scan, scan.origin.read_mask(out, case), out)
    session.do(read_step({"do": "clear", "slice": 1}))
    save(session, json.loads((out / f"{case}.json").read_text()), "A. Reader")
    session.close()
    return session.mask


def download(folder: Path, raw: Path) -> dict[str, object]:
    params = shipped_section("download", DownloadParams, source="folder", path=str(folder))
    return fetch(params, 0, raw, raw.parent / "cache")


def test_corrected_results_of_every_format_become_what_the_pipeline_takes(out: Path, tmp_path: Path) -> None:
    masks = {case: correct(out, case) for case in CORRECTED}
    said = collect(out, tmp_path / "data")
    assert said == [f"3 patients, 24 slices: {tmp_path / 'data'}"]
    summary = download(tmp_path / "data", tmp_path / "raw")
    assert (summary["patients"], summary["slices"], summary["whole"]) == (3, 24, False)
    records = integrity.scan(tmp_path / "raw")
    assert {record.patient for record in records} == set(CORRECTED)
    known = json.loads((tmp_path / "raw" / "collected.json").read_text())["patients"]
    for case, mask in masks.items():
        made = read_patient(tmp_path / "raw" / TREE / case)
        assert made.images.shape == (8, 256, 256, 3)
        assert made.slices[0] == (3 if case == "tifs" else 1)
        assert not made.masks[1].any()
        canvas = canvas_for(64, 64, None if known[case]["spacing_mm"] is None else tuple(known[case]["spacing_mm"]))
        back = mask_from_canvas(made.masks.astype(np.float32), canvas, 0.5)
        assert not (ndimage.binary_erosion(mask, np.ones((1, 3, 3))) & ~back).any()
        assert not (back & ~ndimage.binary_dilation(mask, np.ones((1, 3, 3)))).any()
    said = known["turned"]
    assert (said["mask"], said["annotator"], said["slices"]) == ("corrected", "A. Reader", 8)


def test_slices_like_the_training_data_keep_every_value(tmp_path: Path) -> None:
    flair, tumour = head(n=5, side=256)
    images = np.stack([flair, flair // 2, flair], axis=-1)
    write_tifs(tmp_path / "own" / "P1", images, tumour, first=4)
    collect(tmp_path / "own", tmp_path / "data")
    made = read_patient(tmp_path / "data" / TREE / "P1")
    assert np.array_equal(made.images, images)
    assert np.array_equal(made.masks, tumour)
    assert made.slices.tolist() == [4, 5, 6, 7, 8]


def write_patient(folder: Path, mask: np.ndarray = TUMOUR, name: str = "seg") -> Path:
    """A patient as in BraTS."""
    folder.mkdir(parents=True)
    nib.save(as_nifti(FLAIR.astype(np.int16), (12.0, 3.75, 3.75)), folder / f"{folder.name}-t2f.nii.gz")
    image = as_nifti(mask.astype(np.uint8) * 2, (12.0, 3.75, 3.75))
    nib.save(image, folder / f"{folder.name}-{name}.nii.gz")
    return folder


def test_nifti_with_masks_of_ones_own_needs_no_correction(tmp_path: Path) -> None:
    write_patient(tmp_path / "own" / "P1")
    write_patient(tmp_path / "own" / "P2", name="tumor_seg")
    collect(tmp_path / "own", tmp_path / "data")
    made = read_patient(tmp_path / "data" / TREE / "P2")
    small = made.masks.reshape(8, 64, 4, 64, 4).mean((2, 4)) >= 0.5
    assert np.array_equal(small, TUMOUR)
    assert json.loads((tmp_path / "data" / "collected.json").read_text())["patients"].keys() == {"P1", "P2"}


def test_beside_other_data_a_patient_is_there_once(tmp_path: Path) -> None:
    flair, tumour = head(n=4, side=256)
    images = np.stack([flair] * 3, axis=-1)
    for patient in ("P1", "P2"):
        write_tifs(tmp_path / "public" / TREE / patient, images, np.zeros_like(tumour))
    (tmp_path / "public" / TREE / "data.csv").write_text("Patient\n")
    write_tifs(tmp_path / "own" / "P1", images, tumour)
    said = collect(tmp_path / "own", tmp_path / "data", beside=tmp_path / "public")
    assert said[1] == f"beside them 1 patients of {tmp_path / 'public'}"
    assert sorted(path.name for path in (tmp_path / "data" / TREE).iterdir()) == ["P1", "P2", "data.csv"]
    assert np.array_equal(read_patient(tmp_path / "data" / TREE / "P1").masks, tumour)
    assert not read_patient(tmp_path / "data" / TREE / "P2").masks.any()


def refused(tmp_path: Path, folder: Path, match: str) -> None:
    with pytest.raises(DataError, match=match):
        collect(folder, tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_what_is_refused_leaves_nothing(out: Path, tmp_path: Path) -> None:
    refused(tmp_path, out, "none is corrected")
    refused(tmp_path, tmp_path / "nowhere", "is no folder")
    correct(out, "turned")
    assert collect(out, tmp_path / "some")[1] == "left: 2 results that nobody has corrected"
    mask = out / "turned_corrected.nii.gz"
    whole = mask.read_bytes()
    mask.write_bytes(whole[:-9] + b"123456789")
    refused(tmp_path, out, "not as .* says")
    mask.write_bytes(whole)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine").write_text("x")
    with pytest.raises(UserError, match="not empty"):
        collect(out, tmp_path / "data")
    assert (tmp_path / "data" / "mine").read_text() == "x"


def test_a_mask_of_another_grid_is_refused(tmp_path: Path) -> None:
    write_patient(tmp_path / "own" / "P1", mask=TUMOUR[:-1])
    refused(tmp_path, tmp_path / "own", "does not lie on the grid")


def test_a_scan_without_mask_is_named(tmp_path: Path) -> None:
    write_patient(tmp_path / "own" / "P1", name="other")
    refused(tmp_path, tmp_path / "own", "needs one mask beside it")


def test_two_sessions_of_a_participant_are_not_two_patients(tmp_path: Path) -> None:
    from brainseg.correct.collect import Marked, _require_distinct
    from brainseg.scans.cases import Case

    cases = [Case(f"sub-01_ses-{k}_FLAIR", "bids", {"flair": tmp_path}) for k in (1, 2)]
    with pytest.raises(DataError, match="both of the patient sub-01"):
        _require_distinct([Marked(case, lambda: (None, None), {}) for case in cases])
