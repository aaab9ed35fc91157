"""What the folds of the cross-validation left: DVC's experiments of this clone, and what is kept of them in git.

An experiment is gone with its clone. `keep` copies the small files that the tables are made of; masks and networks stay
in DVC's cache.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
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
    return {name: int(name.removeprefix(PREFIX)) for name in sorted(set(listed.stdout.split())) if _is_fold(name)}


def done() -> dict[str, int]:
    """Names and folds of those, and of what was kept of others."""
    kept = sorted(path.name for path in KEPT.iterdir()) if KEPT.is_dir() else []
    return {name: int(name.removeprefix(PREFIX)) for name in kept if _is_fold(name)} | experiments()


def text_of(name: str, file: str) -> str:
    """One of `FILES` as a fold wrote it; what is in this clone counts before what was kept.

    Raises:
        DataError: the fold is neither here nor kept.
    """
    import dvc.api

    if name in experiments():
        return str(dvc.api.read(file, rev=name))
    if not (path := KEPT / name / Path(file).name).is_file():
        raise DataError(f"{path} does not exist, and {name} is no experiment of this clone; run that fold.")
    return path.read_text(encoding="utf-8")


def keep(name: str) -> None:
    """Copy `FILES` of an experiment of this clone."""
    texts = {Path(file).name: text_of(name, file) for file in FILES}
    (KEPT / name).mkdir(parents=True, exist_ok=True)
    for file, text in texts.items():
        with atomic_path(KEPT / name / file) as temporary:
            temporary.write_text(text, encoding="utf-8")


def predictions(experiment: str, model: str) -> Iterator[tuple[str, Prediction]]:
    """Test patients of an experiment and what a model says of them, from DVC's cache.

    Args:
        experiment: its name, or any revision.
        model: a name of `MODELS`.

    Raises:
        DataError: a fold of which this clone has no masks.
    """
    if _is_fold(experiment) and experiment not in experiments():
        raise DataError(f"the masks of {experiment} are not in this clone, only its figures; fetch or run that fold.")
    from dvc.api import DVCFileSystem

    with tempfile.TemporaryDirectory() as scratch:
        DVCFileSystem(rev=experiment).get(f"predictions/{model}", scratch, recursive=True)
        for path in sorted(Path(scratch).rglob("*.npz")):
            yield path.stem, load_prediction(path)


def _is_fold(name: str) -> bool:
    return name.startswith(PREFIX) and name.removeprefix(PREFIX).isdecimal()
