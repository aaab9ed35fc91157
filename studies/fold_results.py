"""What the folds of the cross-validation left: DVC's experiments of this clone, and what is kept of them in git.

An experiment is gone with its clone. `keep` copies the small files that the tables are made of; masks and networks stay
in DVC's cache.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from brainseg.errors import DataError
from brainseg.files import atomic_path
from brainseg.inference.predictor import Prediction, load_prediction

PREFIX = "crossval-"
KEPT = Path("studies/results/folds")
PARAMS, PER_PATIENT, TRUST = "params.yaml", "metrics/per_patient.csv", "metrics/trust_features.csv"
FILES = (PARAMS, PER_PATIENT, TRUST, "metrics/shape.csv", "metrics/test.json", "metrics/val.json")


def experiments() -> dict[str, int]:
    """Names of finished experiments of the cross-validation in this clone, and their folds."""
    listed = subprocess.run(
        [sys.executable, "-m", "dvc", "exp", "list", "--all-commits", "--name-only"],
        capture_output=True,
        text=True,
        check=True,
    )
    return _folds(listed.stdout.split())


def texts(file: str) -> dict[int, str]:
    """One of `FILES` of each fold that is done; an experiment of this clone counts before what was kept.

    Raises:
        DataError: a fold that was kept lacks it.
    """
    import dvc.api

    here = experiments()
    found = {fold: _kept_text(name, file) for name, fold in _kept().items() if name not in here}
    return found | {fold: str(dvc.api.read(file, rev=name)) for name, fold in here.items()}


def keep(name: str) -> None:
    """Copy `FILES` of an experiment of this clone."""
    import dvc.api

    read = {Path(file).name: dvc.api.read(file, rev=name) for file in FILES}
    (KEPT / name).mkdir(parents=True, exist_ok=True)
    for file, text in read.items():
        with atomic_path(KEPT / name / file) as temporary:
            temporary.write_text(text, encoding="utf-8")


def with_masks() -> list[str]:
    """Names of all folds that are done, whose masks `predictions` can read.

    Raises:
        DataError: this clone has no more than the figures of one of them.
    """
    here = experiments()
    for name in _kept().keys() - here.keys():
        raise DataError(f"the masks of {name} are not in this clone, only its figures; fetch or run that fold.")
    return list(here)


def predictions(experiment: str, model: str) -> Iterator[tuple[str, Prediction]]:
    """Test patients of an experiment and what a model says of them, from DVC's cache.

    Args:
        experiment: its name, or any revision.
        model: a name of `MODELS`.
    """
    from dvc.api import DVCFileSystem

    with tempfile.TemporaryDirectory() as scratch:
        DVCFileSystem(rev=experiment).get(f"predictions/{model}", scratch, recursive=True)
        for path in sorted(Path(scratch).rglob("*.npz")):
            yield path.stem, load_prediction(path)


def _kept() -> dict[str, int]:
    return _folds(path.name for path in KEPT.iterdir()) if KEPT.is_dir() else {}


def _kept_text(name: str, file: str) -> str:
    path = KEPT / name / Path(file).name
    if not path.is_file():
        raise DataError(f"{path} does not exist, and {name} is no experiment of this clone; run that fold.")
    return path.read_text(encoding="utf-8")


def _folds(names: Iterable[str]) -> dict[str, int]:
    """Those that are folds, by name."""
    numbers = {name: name.removeprefix(PREFIX) for name in sorted(set(names)) if name.startswith(PREFIX)}
    return {name: int(number) for name, number in numbers.items() if number.isdecimal()}
