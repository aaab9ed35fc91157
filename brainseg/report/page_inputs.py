"""What the page is made from: the metrics of one run, those of earlier stages read from their files."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from brainseg.errors import DataError
from brainseg.model.catalogue import NETWORKS
from brainseg.params import read_yaml, shipped
from brainseg.report.scores import Results

TABLES = ("patients", "institutions", *(f"history_{name}" for name in NETWORKS))
SUMMARIES = ("dataset", "skull_strip", *(f"train_{name}" for name in NETWORKS), "val")
RADIOGENOMICS = ("radiogenomics", "shape")
CODE = ("brainseg", "stages", "dvc.yaml", "params.yaml")


@dataclass(frozen=True)
class Sources:
    """One run.

    Attributes:
        tables: what the CSV files of metrics/ hold, by name.
        summaries: what the JSON files hold, by name.
        params: params.yaml.
        commit: of the checkout, `None` outside of git.
        stages: seconds and peak MiB of each stage's last run here; empty where no log is.
    """

    tables: Mapping[str, pd.DataFrame]
    summaries: Mapping[str, Any]
    params: Mapping[str, Any]
    commit: str | None
    stages: Mapping[str, tuple[float, float]]

    @property
    def leaky(self) -> bool:
        """Whether slices of one patient are on both sides of the split."""
        return bool(self.summaries["test"]["leaky"])

    @property
    def radiogenomics(self) -> Any:
        """Content of metrics/radiogenomics.json, `None` where that stage has not run."""
        return self.summaries.get("radiogenomics")

    @property
    def phantom(self) -> bool:
        """Whether the patients are synthetic."""
        return bool(self.params["download"]["source"] == "phantom")


def read_sources(metrics: Path, params: Path, log: Path, results: Results, trust: Mapping[str, Any]) -> Sources:
    """Gather everything that the page shows.

    Args:
        metrics: folder with the files of `TABLES` (.csv) and `SUMMARIES` (.json), and where the stage has run those
            of radiogenomics.
        params: params.yaml.
        log: logs/stages.csv; need not exist.
        results: on test patients.
        trust: content of metrics/trust.json.

    Raises:
        DataError: a file is missing or cannot be read.
    """
    summary, table = RADIOGENOMICS
    shapes = (metrics / f"{summary}.json").exists()
    return Sources(
        tables={name: _table(metrics / f"{name}.csv") for name in (*TABLES, *[table] * shapes)} | dict(results.tables),
        summaries={name: _summary(metrics / f"{name}.json") for name in (*SUMMARIES, *[summary] * shapes)}
        | {"test": results.test, "paired": results.paired, "trust": trust},
        params=read_yaml(params),
        commit=_commit(params.resolve().parent),
        stages=_stages(log),
    )


def changed_params(params: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Parameters that differ from those the package recommends: dotted key -> (default, here)."""
    usual, here = _flat(shipped()), _flat(params)
    keys = sorted(usual.keys() | here.keys())
    return {key: (usual.get(key), here.get(key)) for key in keys if usual.get(key) != here.get(key)}


def _flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, dtype={"patient": str, "institution": str})
    except (OSError, ValueError):
        raise DataError(f"{path} is missing or damaged; `dvc repro` makes it.") from None


def _summary(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise DataError(f"{path} is missing or damaged; `dvc repro` makes it.") from None


def _commit(folder: Path) -> str | None:
    """The commit's short name, with a plus if the code has been changed since."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")) != folder:
            return None  # a scratch copy inside a checkout is not that commit
        return git("rev-parse", "--short=10", "HEAD") + ("+" if git("status", "--porcelain", "--", *CODE) else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _stages(log: Path) -> dict[str, tuple[float, float]]:
    if not log.exists():
        return {}
    table = pd.read_csv(log).drop_duplicates("stage", keep="last")
    costs = zip(table["seconds"].astype(float), table["peak_mib"].astype(float), strict=True)
    return dict(zip(table["stage"].astype(str), costs, strict=True))
