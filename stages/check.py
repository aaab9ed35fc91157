"""Look at all of params.yaml before an hour of work finds a mistake in its last section. The stage `code` begins so."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from brainseg.data.changed import changed_since
from brainseg.data.index import FilterLabeledParams
from brainseg.data.sources import DownloadParams
from brainseg.data.splits import SplitParams
from brainseg.errors import ParamsError
from brainseg.evaluation.statistics import EvaluateParams
from brainseg.inference.postprocess import PostprocessParams
from brainseg.model.catalogue import NETWORKS
from brainseg.model.recipe import NetworkTrainParams, TrainParams
from brainseg.params import Params, load_section, load_seed, read_yaml
from brainseg.preprocess.clahe import ClaheParams
from brainseg.preprocess.skull_strip import SkullStripParams
from brainseg.radiogenomics.cohort import RadiogenomicsParams
from brainseg.terminal import say
from stages._command import PARAMS, ParamsFile, run_command

RAW = Path("data/raw")
KINDS: dict[str, type[Params]] = {
    "download": DownloadParams,
    "filter_labeled": FilterLabeledParams,
    "skull_strip": SkullStripParams,
    "clahe": ClaheParams,
    "split": SplitParams,
    "train": TrainParams,
    **dict.fromkeys(NETWORKS, NetworkTrainParams),
    "postprocess": PostprocessParams,
    "radiogenomics": RadiogenomicsParams,
    "evaluate": EvaluateParams,
}


def check(
    params: ParamsFile = PARAMS,
    raw: Annotated[Path, typer.Option(help="The raw tree, to compare with the folder that it is a copy of.")] = RAW,
) -> None:
    """Check every section of params.yaml and name all mistakes at once; say if `download.path` has other slices now.

    A stage checks only the sections that it uses, so that a change of one does not invalidate the others.
    """
    read_yaml(params)  # a mistake of the whole file is said once, not by every section
    loads: list[Callable[[], object]] = [partial(load_seed, params)]
    loads += [partial(load_section, params, section, kind) for section, kind in KINDS.items()]
    mistakes = []
    for load in loads:
        try:
            load()
        except ParamsError as error:
            mistakes.append(str(error))
    if mistakes:
        raise ParamsError(f"{params} is not fit to run with; correct it there:", mistakes)
    say(f"{params}: every section is valid")
    warn_of_change(params, raw)


def warn_of_change(params: Path, raw: Path) -> None:
    """Say if the folder of the data has other slices than the raw tree, which is what runs."""
    if changed := changed_since(load_section(params, "download", DownloadParams), raw):
        say(f"warning: {changed}", err=True)


if __name__ == "__main__":
    run_command(check)
