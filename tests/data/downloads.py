"""Downloads of the tests: three patients, and `fetch` into a scratch folder."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from brainseg.data.sources import DownloadParams, fetch
from brainseg.params import shipped_section

A, B, C = "TCGA_AA_0001_19990101", "TCGA_AA_0002_19990102", "TCGA_BB_0003_19990103"
WHOLE = {"patients": 3, "slices": 9, "verified": 14, "unknown": 4, "whole": True}


def download_params(name: str, path: Path | str | None = None) -> DownloadParams:
    return shipped_section("download", DownloadParams, source=name, path=None if path is None else str(path))


def folder(path: Path) -> DownloadParams:
    return download_params("folder", path)


def run(params: DownloadParams, tmp_path: Path) -> dict[str, Any]:
    return fetch(params, 0, tmp_path / "data" / "raw", tmp_path / "cache")


def contents(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def zipped(root: Path, archive: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(archive, "w") as packed:
        for name, content in contents(root).items():
            packed.writestr(prefix + name, content)
    return archive
