"""Prediction with nothing but what `pip install brainseg` brings: no torch, pandas, SciPy, scikit-image or deepbet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from brainseg.data.phantom import PhantomParams, make_patient
from tests.scans.dicom_files import write_series
from tests.scans.heads import as_nifti, write_tifs

ROOT = Path(__file__).resolve().parents[1]
ABSENT = (
    "deepbet", "dvc", "h5py", "lightning_fabric", "matplotlib", "monai", "pandas", "plotly", "requests", "scipy",
    "segmentation_models_pytorch", "skimage", "sklearn", "timm", "torch", "torchvision",
)  # fmt: skip
MOST_MB = 700
"""Of what an installation that predicts brings, in millions of bytes, with what Python compiles of it."""

# As sitecustomize, Python itself runs it first in every process, in the workers of `predict`, too.
REFUSE = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
"""
USE = """
import sys
from pathlib import Path

import numpy as np

for name in sys.argv[3:]:
    try:
        __import__(name)
    except ModuleNotFoundError:
        continue
    sys.exit(f"{name} can be imported")

import brainseg
from brainseg.correct.answer import Click, Prepared
from brainseg.correct.geodesic import GeodesicAnswerer
from brainseg.correct.strokes import between
from brainseg.data.phantom import PhantomParams, make_patient
from brainseg.data.slices import Volume
from brainseg.view.result import find_result
from brainseg.view.server import make_table

assert brainseg.segment(np.load(sys.argv[1]), trust_input=True).mask.any()
assert make_table(find_result(Path(sys.argv[2])))
head = np.load(sys.argv[1])
brain, empty = head > 0, np.zeros(head.shape, bool)
case = Prepared(Volume(np.repeat(head[..., None], 3, -1), brain, np.arange(len(head))))
assert GeodesicAnswerer().answer(case, empty, [Click(6, 64, 64, True)]).any()
assert between(brain[5], brain[7], 0.5).any()
assert make_patient(0, PhantomParams(patients=1, slices=4, size=64), 0).masks.any()
"""


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One synthetic head as `tifs`, `scan.nii.gz`, `study` (DICOM) and `head.npy`."""
    folder = tmp_path_factory.mktemp("scans")
    patient = make_patient(1, PhantomParams(patients=2, slices=12, size=128), 3)
    flair = patient.images[..., 1].copy()
    np.save(folder / "head.npy", flair)
    write_tifs(folder / "tifs", patient.images)
    nib.save(as_nifti(flair), folder / "scan.nii.gz")
    write_series(folder / "study", flair, "FLAIR", PixelSpacing=[1.875, 1.875])
    return folder


def predict_and_use(python: Path | str, scans: Path, folder: Path, path: str) -> None:
    """Segment all three kinds of file, then the array, and look at a result; nothing of `ABSENT` can be imported."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {"PYTHONPATH": path, "XDG_CACHE_HOME": str(folder / "cache")}

    def run(*arguments: str | Path) -> None:
        done = subprocess.run(
            [python, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    inputs = [scans / name for name in ("tifs", "scan.nii.gz", "study")]
    run("-m", "brainseg.cli", "predict", *inputs, "--out", folder / "out", "--trust-input")
    slices = [path.stem for path in (scans / "tifs").iterdir()]
    assert {path.stem for path in (folder / "out" / "tifs").iterdir()} == {f"{slice}_mask" for slice in slices}
    for name in ("tifs", "scan", "study"):
        said = json.loads((folder / "out" / f"{name}.json").read_text())
        assert (said["made_by"]["runtime"], said["made_by"]["preset"]) == ("openvino", "usual")
        assert said["tumour"]["voxels"] > 0
        assert (folder / "out" / f"{name}_overlay.png").is_file()
    for mask in ("scan_mask.nii.gz", "study_mask.nii.gz", "study_seg.dcm", "study_sr.dcm"):
        assert (folder / "out" / mask).is_file()
    assert (folder / "out" / "summary.csv").read_text().count("done") == 3
    run("-c", USE, scans / "head.npy", folder / "out" / "scan.json", *ABSENT)


def test_predict_segment_and_view_import_nothing_of_the_extras(scans: Path, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(REFUSE)
    predict_and_use(sys.executable, scans, tmp_path, f"{tmp_path / 'site'}{os.pathsep}{ROOT}")


@pytest.mark.slow
def test_the_wheel_alone_predicts_and_takes_at_most_700_mb(scans: Path, tmp_path: Path) -> None:
    """In an empty environment, with the versions of the lock, from the package index."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    before = megabytes(tmp_path / "venv")  # pip itself
    install = [python, "-m", "pip", "install", "-qq", "-c", ROOT / "requirements.lock", wheel]
    subprocess.run(install, check=True, cwd=tmp_path, env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"})
    size = megabytes(tmp_path / "venv") - before
    print(f"{size:.0f} MB")
    assert size < MOST_MB
    predict_and_use(python, scans, tmp_path, "")


def megabytes(folder: Path) -> float:
    """Of all files, each as large as it is."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()) / 1e6
