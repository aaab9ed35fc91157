"""The models to predict with: the shipped ones, or those of a folder or a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brainseg.errors import DataError, extra
from brainseg.files import sha256
from brainseg.inference.graphs import graph_path
from brainseg.inference.postprocess import Choice, Record
from brainseg.inference.predictor import Networks
from brainseg.inference.runtimes import AUTO, FLOAT32, RUNTIMES, choose
from brainseg.model.catalogue import ENSEMBLE, MODELS, NETWORKS
from brainseg.model.store import ModelInfo, completed, load_info
from brainseg.params import parse_json, read_text, validate
from brainseg.preprocess.skull_strip import SkullStripParams
from brainseg.shipped import FOLDER, SUMS, damaged, listed

MAX_BYTES = 1 << 20
"""Of ensemble.json, which takes 2 KB."""


@dataclass(frozen=True)
class LoadedModels:
    """Networks ready to run, and what their files say.

    Attributes:
        name: of `MODELS`.
        networks: by name; network, and what its file says.
        choice: post-processing, as chosen on validation patients.
        tta: whether that choice was made with flips.
        digests: file name -> SHA-256, so that a result can be traced.
        runtime: of `RUNTIMES`.
        precision: of `PRECISIONS`.
        device: of `DEVICES`.
    """

    name: str
    networks: Networks
    choice: Choice
    tta: bool
    digests: dict[str, str]
    runtime: str
    precision: str
    device: str

    @property
    def patients(self) -> frozenset[str]:
        """Names of the patients that the networks were trained on, as far as their files say."""
        return frozenset(
            str(name) for _, info in self.networks.values() for name in info.training.get("patients") or ()
        )


def load_models(
    weights: Path | None = None,
    model: str = ENSEMBLE,
    *,
    device: str = AUTO,
    runtime: str = AUTO,
    precision: str = FLOAT32,
) -> LoadedModels:
    """Load the networks that `model` needs.

    Args:
        weights: a folder as `dvc repro` writes `models/`, or one .safetensors file; None for the shipped ones.
        model: of `MODELS`: one network, or the average of both.
        device: of `DEVICES`; `auto` takes CUDA where there is some and torch is installed.
        runtime: of `RUNTIMES`; `auto` takes the first that does what is asked.
        precision: of `PRECISIONS`; `int8` takes the quantised graphs beside the weights.

    Raises:
        DataError: a file is missing, damaged, has no post-processing or needs a download; or see `choose`.
        ParamsError: a file says something of itself that cannot be.
        UserError: a package is missing that the model needs.
    """
    run_by, placed = choose(runtime, device, precision)
    files, record = _choice_file(weights or FOLDER, model)
    info = {path.stem: load_info(path) for path in files}
    if record is None:
        record = record_of(info[files[0].stem].postprocess, files[0])
    _require_one_preprocessing(files, list(info.values()))
    _require_no_download(files[0], info[files[0].stem].skull_strip)
    digests = {path.name: sha256(path) for path in files}
    _require_intact(files, digests)
    load = RUNTIMES[run_by].load
    networks = {path.stem: (load(path, digests[path.name], placed, precision), info[path.stem]) for path in files}
    if precision != FLOAT32:
        graphs = [graph_path(path, precision).with_suffix(".bin") for path in files]
        digests |= {graph.name: sha256(graph) for graph in graphs}
    return LoadedModels(
        name=model if len(files) > 1 else files[0].stem,
        networks=networks,
        choice=record.choice,
        tta=record.tta,
        digests=digests,
        runtime=run_by,
        precision=precision,
        device=placed,
    )


def _require_intact(files: list[Path], digests: dict[str, str]) -> None:
    """Hold the files against the sums beside them, which the shipped ones have."""
    sums = files[0].parent / SUMS
    known = listed(sums)
    for path in files:
        if known.get(path.name, digests[path.name]) != digests[path.name]:
            raise damaged(path, sums)


def record_of(postprocess: Any, path: Path) -> Record:
    """The post-processing that a model's JSON names.

    Args:
        postprocess: as it stands there.
        path: of that file, for the sentence.

    Raises:
        DataError: there is none.
        ParamsError: a step is missing, ill-typed or out of range.
    """
    if postprocess is None:
        raise DataError(f"{path} has no post-processing chosen; use the file that `dvc repro postprocess` wrote.")
    return validate(completed(postprocess, "postprocess"), Record, where=f"{path}: postprocess")


def _choice_file(weights: Path, model: str) -> tuple[list[Path], Record | None]:
    """The networks' files, and the ensemble's post-processing (a network's own is in its file)."""
    if weights.is_file():
        return [weights], None
    if not weights.is_dir():
        raise DataError(
            f"{weights} does not exist; give a folder of models or a .safetensors file, or leave --weights out."
        )
    if model not in MODELS:
        raise DataError(f"there is no model {model!r}, expected {', '.join(MODELS)}.")
    if model != ENSEMBLE:
        return [weights / f"{model}.safetensors"], None
    path = weights / f"{ENSEMBLE}.json"
    try:
        plain = parse_json(read_text(path, MAX_BYTES))
        if not isinstance(plain, dict) or "postprocess" not in plain:
            raise ValueError("it has no postprocess")
    except (OSError, ValueError) as error:
        reason = "it does not exist" if isinstance(error, FileNotFoundError) else str(error)
        raise DataError(
            f"{path}, which says how the two networks are averaged, cannot be read ({reason}); "
            f"give the folder that `dvc repro` wrote, or choose --model {' or '.join(NETWORKS)}."
        ) from None
    return [weights / f"{name}.safetensors" for name in NETWORKS], record_of(plain["postprocess"], path)


def _require_one_preprocessing(files: list[Path], infos: list[ModelInfo]) -> None:
    first = infos[0]
    for path, info in zip(files, infos, strict=True):
        if (info.skull_strip, info.clahe) != (first.skull_strip, first.clahe):
            raise DataError(
                f"{path} was trained on other preprocessing than {files[0]}; models of one run belong together."
            )


def _require_no_download(path: Path, params: SkullStripParams) -> None:
    """Refuse a model whose brain extraction would ask the network."""
    if params.method != "mazurowski" or params.weights != "download":
        return
    with extra("pipeline", f"{path}, which finds the brain by the method mazurowski,"):
        from brainseg.preprocess.mazurowski import WEIGHTS_URL, downloaded_weights
    kept = downloaded_weights()
    if not kept.is_file() or sha256(kept) != params.weights_sha256:
        raise DataError(
            f"{path} finds the brain by the weights weights_128.h5 with SHA-256 {params.weights_sha256}, which are not "
            f"here, and predict asks nothing from the network; fetch them from {WEIGHTS_URL} and put them at {kept}."
        )
