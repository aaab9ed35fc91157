"""Ways to spoil a folder in which all stages have run; each returns what does it to the working directory."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

from tests.pipeline import change_params

PATIENT = "PHANTOM_CS_0001_20000101"
SLICE = f"data/raw/kaggle_3m/{PATIENT}/{PATIENT}_4"


@dataclass(frozen=True)
class Mistake:
    """Something wrong that a stage has to refuse.

    Attributes:
        stage: who meets it.
        make: puts it into the working directory.
        sentence: a pattern of the message: what was found, and what to do.
    """

    stage: str
    make: Callable[[], object]
    sentence: str


def params(**changes: object) -> Callable[[], None]:
    """Change params.yaml."""
    return lambda: change_params(Path(), changes)


def write(name: str, content: str | bytes) -> Callable[[], int]:
    """Replace a file."""
    return lambda: Path(name).write_bytes(content.encode() if isinstance(content, str) else content)


def truncate(pattern: str) -> Callable[[], None]:
    """Cut the first file of that name in half."""

    def make() -> None:
        path = sorted(Path().glob(pattern))[0]
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return make


def remove(pattern: str) -> Callable[[], None]:
    """Remove the first file or folder of that name."""

    def make() -> None:
        path = sorted(Path().glob(pattern))[0]
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return make


def tif(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[], None]:
    """Write a TIF with its pixels changed."""
    return lambda: tifffile.imwrite(name, change(tifffile.imread(name)))


def copy(source: str, target: str) -> Callable[[], object]:
    return lambda: shutil.copyfile(source, target)


def table(name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[], None]:
    """Write a CSV with its rows or columns changed."""
    return lambda: change(pd.read_csv(name)).to_csv(name, index=False)


def zipped(names: dict[str, bytes], keep: float = 1.0) -> Callable[[], None]:
    """Make a.zip of `names` and ask for it; `keep` is the share of its bytes that arrive."""

    def make() -> None:
        with zipfile.ZipFile("a.zip", "w") as archive:
            for name, content in names.items():
                archive.writestr(name, content)
        Path("a.zip").write_bytes(Path("a.zip").read_bytes()[: int(Path("a.zip").stat().st_size * keep)])
        change_params(Path(), {"download": {"source": "archive", "path": "a.zip"}})

    return make


def local(source: str, path: str, *, folder: bool = False) -> Callable[[], None]:
    """Ask for an archive or a folder at `path`."""

    def make() -> None:
        if folder:
            Path(path).mkdir()
        change_params(Path(), {"download": {"source": source, "path": path}})

    return make


def published_patient_in_part() -> None:
    """A folder with one slice of a patient of whom the manifest knows more."""
    name = "TCGA_CS_4941_19960909"
    target = Path("external/kaggle_3m") / name
    target.mkdir(parents=True)
    for suffix in ("", "_mask"):
        shutil.copyfile(f"{SLICE}{suffix}.tif", target / f"{name}_1{suffix}.tif")
    change_params(Path(), {"download": {"source": "folder", "path": "external"}})


def edit_prediction(change: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]) -> Callable[[], None]:
    """Change the arrays of one test patient's prediction."""

    def make() -> None:
        path = sorted(Path("predictions/unet").glob("*.npz"))[0]
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in stored.files}
        np.savez(path, **change(arrays))

    return make


def folder_instead_of(name: str) -> Callable[[], None]:
    """An empty folder where a file, or a full folder, is expected."""

    def make() -> None:
        remove(name)()
        Path(name).mkdir()

    return make


def file_instead_of(name: str) -> Callable[[], None]:
    def make() -> None:
        remove(name)()
        Path(name).touch()

    return make


def doubled(content: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([content, content])


def first_patient_only(content: pd.DataFrame) -> pd.DataFrame:
    return content[content["patient"] == content["patient"].iloc[0]]


def drop_a_test_patient(content: pd.DataFrame) -> pd.DataFrame:
    patient = content.loc[content["split"] == "test", "patient"].iloc[0]
    return content[content["patient"] != patient]
