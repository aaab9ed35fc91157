"""Stage 1: the raw slices, wherever they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brainseg.data.sources import DownloadParams, fetch
from brainseg.params import load_section, load_seed
from brainseg.terminal import say
from stages._command import PARAMS, ParamsFile, run_command


def download(
    out: Annotated[Path, typer.Argument(help="Folder to write: the raw tree, OUT/kaggle_3m/PATIENT/*.tif.")],
    cache: Annotated[Path, typer.Option(help="Where kagglehub keeps its own download.")] = Path(".cache/kaggle"),
    params: ParamsFile = PARAMS,
) -> None:
    """Fetch the LGG slices, or a part of them, or make synthetic patients.

    `download.source` is kaggle (the public download, no account needed), archive (its zip or tar at
    `download.path`), folder (unpacked, at `download.path`) or phantom. Every file that the committed
    manifest knows is checked by size and digest; nothing is written unless all of it is whole.
    """
    settings = load_section(params, "download", DownloadParams)
    summary = fetch(settings, load_seed(params), out, cache)
    say(
        f"{summary['patients']} patients, {summary['slices']} slices from {summary['source']}; "
        f"{summary['verified']} files verified by digest, {summary['unknown']} unknown to the manifest"
        + ("" if summary["whole"] or settings.source == "phantom" else "; a part of the dataset's 110 patients")
    )


if __name__ == "__main__":
    run_command(download)
