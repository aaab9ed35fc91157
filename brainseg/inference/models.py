"""The models to predict with: the shipped ones, or those of a folder or a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from brainseg.errors import DataError
from brainseg.files import sha256
from brainseg.inference.postprocess import Choice, Record
from brainseg.inference.predictor import ENSEMBLE
from brainseg.model.catalogue import NETWORKS
from brainseg.model.shipped import FOLDER, SUMS
from brainseg.model.store import ModelInfo, completed, load_info, load_model
from brainseg.params import parse_json, read_text, validate
from brainseg.preprocess.mazurowski import WEIGHTS_URL, downloaded_weights
from brainseg.preprocess.skull_strip import SkullStripParams

Model = Literal["unet", "unetpp", "ensemble"]
Device = Literal["auto", "cpu", "cuda"]
Runtime = Literal["auto", "torch", "openvino"]
Precision = Literal["float32", "int8"]

MAX_BYTES = 1 << 20
"""Of ensemble.json, which takes 2 KB."""


@dataclass(frozen=True)
class LoadedModels:
    """Networks ready to run, and what their files say.

    Attributes:
        name: `unet`, `unetpp` or `ensemble`.
        networks: by name; network in eval mode, on its device, and what its file says.
        choice: post-processing, as chosen on validation patients.
        tta: whether that choice was made with flips.
        digests: file name -> SHA-256, so that a result can be traced.
        runtime: `torch` or `openvino`.
        precision: `float32` or `int8`.
        device: `cpu` or `cuda`.
    """

    name: str
    networks: dict[str, tuple[nn.Module, ModelInfo]]
    choice: Choice
    tta: bool
    digests: dict[str, str]
    runtime: str
    precision: str
    device: str


def load_models(
    weights: Path | None = None,
    model: Model = "ensemble",
    *,
    device: Device = "auto",
    runtime: Runtime = "auto",
    precision: Precision = "float32",
) -> LoadedModels:
    """Load the networks that `model` needs.

    Args:
        weights: a folder as `dvc repro` writes `models/`, or one .safetensors file; None for the shipped ones.
        model: one network, or the average of both.
        device: `auto` takes CUDA where there is some.
        runtime: `openvino` on the CPU; `auto` takes it there if it is installed.
        precision: `int8` takes the quantised graphs beside the weights; by OpenVINO only.

    Raises:
        DataError: a file is missing, damaged, has no post-processing or needs a download; no CUDA, or no OpenVINO,
            where asked for.
        ParamsError: a file says something of itself that cannot be.
    """
    placed = _device(device)
    run_by = _runtime(runtime, placed, precision)
    files, record = _choice_file(weights or FOLDER, model)
    info = {path.stem: load_info(path) for path in files}
    if record is None:
        record = record_of(info[files[0].stem].postprocess, files[0])
    _require_one_preprocessing(files, list(info.values()))
    _require_no_download(files[0], info[files[0].stem].skull_strip)
    digests = {path.name: sha256(path) for path in files}
    _require_intact(files, digests)
    networks = {path.stem: _network(path, digests[path.name], run_by, precision, placed) for path in files}
    if precision == "int8":
        from brainseg.inference.openvino import quantised_path

        graphs = [quantised_path(path).with_suffix(".bin") for path in files]
        digests |= {graph.name: sha256(graph) for graph in graphs}
    return LoadedModels(
        name=model if len(files) > 1 else files[0].stem,
        networks={name: (network, info[name]) for name, network in networks.items()},
        choice=record.choice,
        tta=record.tta,
        digests=digests,
        runtime=run_by,
        precision=precision,
        device=placed,
    )


def _require_intact(files: list[Path], digests: dict[str, str]) -> None:
    """Hold the files against `SUMS` beside them, which the shipped ones have."""
    sums = files[0].with_name(SUMS)
    lines = read_text(sums, MAX_BYTES).splitlines() if sums.is_file() else []
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    for path in files:
        if listed.get(path.name, digests[path.name]) != digests[path.name]:
            raise DataError(
                f"{path} is damaged or another file: its SHA-256 is not the one in {sums}; install brainseg again, "
                "or copy the whole folder again."
            )


def _network(path: Path, digest: str, runtime: str, precision: Precision, device: str) -> nn.Module:
    if runtime == "torch":
        return load_model(path)[0].to(device)
    from brainseg.inference.openvino import compile_network, compile_quantised

    return compile_quantised(path, digest) if precision == "int8" else compile_network(path, digest)


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


def _choice_file(weights: Path, model: Model) -> tuple[list[Path], Record | None]:
    """The networks' files, and the ensemble's post-processing (a network's own is in its file)."""
    if weights.is_file():
        return [weights], None
    if not weights.is_dir():
        raise DataError(
            f"{weights} does not exist; give a folder of models or a .safetensors file, or leave --weights out."
        )
    if model not in (*NETWORKS, ENSEMBLE):
        raise DataError(f"there is no model {model!r}, expected {', '.join(NETWORKS)} or {ENSEMBLE}.")
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
            "give the folder that `dvc repro` wrote, or choose --model unet or unetpp."
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
    kept = downloaded_weights()
    if not kept.is_file() or sha256(kept) != params.weights_sha256:
        raise DataError(
            f"{path} finds the brain by the weights weights_128.h5 with SHA-256 {params.weights_sha256}, which are not "
            f"here, and predict asks nothing from the network; fetch them from {WEIGHTS_URL} and put them at {kept}."
        )


def _device(device: Device) -> str:
    if device == "cpu" or (device == "auto" and not torch.cuda.is_available()):
        return "cpu"
    if not torch.cuda.is_available():
        raise DataError("this torch sees no CUDA device; choose --device cpu, or install a CUDA build of torch.")
    return "cuda"


def _runtime(runtime: Runtime, device: str, precision: Precision) -> str:
    from importlib.util import find_spec

    there = find_spec("openvino") is not None
    if (runtime == "openvino" or precision == "int8") and (device != "cpu" or not there):
        raise DataError(
            "OpenVINO, which int8 needs, too, runs on the CPU and has to be installed (pip install openvino); "
            "or leave --runtime and --precision out."
        )
    if runtime == "torch" and precision == "int8":
        raise DataError("int8 runs by OpenVINO only; leave --runtime out, or --precision.")
    return "openvino" if device == "cpu" and there and runtime != "torch" else "torch"
