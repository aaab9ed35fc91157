from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from brainseg.cli import app
from brainseg.cohort.verify import verify
from brainseg.errors import DataError
from tests.cohort.fakes import FakeSegmenter, predict
from tests.scans.heads import as_nifti, write_tifs

STACK = np.random.default_rng(5).integers(0, 256, (4, 24, 24), np.uint8)
SPACING = (12.0, 6.0, 6.0)


@contextmanager
def again(segmenter=FakeSegmenter, digests=()):
    models = FakeSegmenter().models
    models.digests = dict(digests)
    room = "brainseg.cohort.verify"
    with mock.patch(f"{room}.Segmenter", segmenter), mock.patch(f"{room}.load_models", return_value=models):
        yield


class OneMore(FakeSegmenter):
    """Finds something else in slice 2."""

    def __call__(self, scan, **how):
        found = super().__call__(scan, **how)
        found.mask[2, :2] ^= True
        return found


@pytest.fixture
def out(tmp_path) -> Path:
    nib.save(as_nifti(STACK, SPACING), tmp_path / "scan.nii.gz")
    write_tifs(tmp_path / "tifs", STACK)
    predict([tmp_path / "scan.nii.gz", tmp_path / "tifs"], tmp_path / "out")
    return tmp_path / "out"


def test_what_comes_out_again_is_said_to_be_the_same(out):
    voxels = int((STACK.astype(np.float32).mean() < STACK).sum())
    (out / "notes.json").write_text("{}")
    with again():
        assert [str(found) for found in verify(out)] == [
            f"{name}: the same {voxels} voxels of tumour" for name in ("scan", "tifs")
        ]
        done = CliRunner().invoke(app, ["verify", str(out / "scan.json")])
    assert (done.exit_code, done.stdout) == (0, f"scan: the same {voxels} voxels of tumour\n")


def test_what_differs_is_said_with_its_place(out):
    with again(OneMore):
        assert [(one.differing, one.slices) for one in verify(out)] == [(48, (2,)), (48, (3,))]  # TIF: by their names
        done = CliRunner().invoke(app, ["verify", str(out / "scan.json")])
    assert (done.exit_code, done.stdout) == (1, "scan: 48 voxels differ, in slice 2\n")


def test_what_cannot_come_out_again_is_one_sentence(out, tmp_path):
    with again(digests={"unet": "1"}), pytest.raises(DataError, match="made with other weights than the shipped ones"):
        list(verify(out / "scan.json"))
    nib.save(as_nifti(STACK[::-1], SPACING), tmp_path / "scan.nii.gz")
    with again(), pytest.raises(DataError, match=r"scan\.json was made from other files than lie at .*scan\.nii\.gz"):
        list(verify(out / "scan.json"))
    (tmp_path / "scan.nii.gz").unlink()
    with again(), pytest.raises(DataError, match="which does not exist; put the scan back there"):
        list(verify(out / "scan.json"))
    (out / "scan_mask.nii.gz").unlink()
    for result, words in (
        (out / "scan.json", r"scan_mask\.nii\.gz is missing or was changed"),
        (out / "none.json", "does not exist; name the <case>.json"),
        (tmp_path / "tifs", "holds no <case>.json"),
    ):
        with again(), pytest.raises(DataError, match=words):
            list(verify(result))
