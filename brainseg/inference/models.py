"""The models to predict with: the shipped ones, or those of a folder or a file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from brainseg.errors import DataError
from brainseg.files import sha256
from brainseg.inference.postprocess import Choice
from brainseg.inference.predictor import ENSEMBLE
from brainseg.model.networks import NETWORKS
from brainseg.model.shipped import FOLDER
from brainseg.model.store import ModelInfo, load_info, load_model

Model = Literal["unet", "unetpp", "ensemble"]
Device = Literal["auto", "cpu", "cuda"]
Runtime = Literal["auto", "torch", "openvino"]
Precision = Literal["float32", "int8"]


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
        DataError: a file is missing, damaged or has no post-processing; no CUDA, or no OpenVINO, where asked for.
    """
    placed = _device(device)
    run_by = _runtime(runtime, placed, precision)
    files, post = _choice_file(weights or FOLDER, model)
    info = {path.stem: load_info(path) for path in files}
    post = post or info[files[0].stem].postprocess
    if post is None:
        raise DataError(f"{files[0]} has no post-processing chosen; use the file that `dvc repro postprocess` wrote.")
    _require_one_preprocessing(files, list(info.values()))
    digests = {path.name: sha256(path) for path in files}
    networks = {path.stem: _network(path, digests[path.name], run_by, precision, placed) for path in files}
    if precision == "int8":
        from brainseg.inference.openvino import quantised_path

        graphs = [quantised_path(path).with_suffix(".bin") for path in files]
        digests |= {graph.name: sha256(graph) for graph in graphs}
    choice = steps_of(post)
    return LoadedModels(
        name=model if len(files) > 1 else files[0].stem,
        networks={name: (network, info[name]) for name, network in networks.items()},
        choice=choice,
        tta=bool(post["tta"]),
        digests=digests,
        runtime=run_by,
        precision=precision,
        device=placed,
    )


def _network(path: Path, digest: str, runtime: str, precision: Precision, device: str) -> nn.Module:
    if runtime == "torch":
        return load_model(path)[0].to(device)
    from brainseg.inference.openvino import compile_network, compile_quantised

    return compile_quantised(path, digest) if precision == "int8" else compile_network(path, digest)


def steps_of(postprocess: dict[str, Any]) -> Choice:
    """The steps alone, of what a model's JSON says of its post-processing (flips and trail beside them)."""
    return Choice(**{key: postprocess[key] for key in Choice.model_fields if key in postprocess})


def _choice_file(weights: Path, model: Model) -> tuple[list[Path], dict[str, Any] | None]:
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
        post = json.loads(path.read_text(encoding="utf-8"))["postprocess"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{path}, which says how the two networks are averaged, cannot be read ({type(error).__name__}); "
            "give the folder that `dvc repro` wrote, or choose --model unet or unetpp."
        ) from None
    return [weights / f"{name}.safetensors" for name in NETWORKS], post


def _require_one_preprocessing(files: list[Path], infos: list[ModelInfo]) -> None:
    first = infos[0]
    for path, info in zip(files, infos, strict=True):
        if (info.skull_strip, info.clahe) != (first.skull_strip, first.clahe):
            raise DataError(
                f"{path} was trained on other preprocessing than {files[0]}; models of one run belong together."
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
