"""`make gpu-check`: training and prediction on CUDA held against the CPU; a sentence where there is no CUDA."""

from __future__ import annotations

import re
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from benchmarks.machine import describe
from benchmarks.settings import SEED, stripped_patients
from brainseg.data.index import read_index
from brainseg.data.slices import SliceSet
from brainseg.data.splits import read_split
from brainseg.files import atomic_path
from brainseg.model.dataset import TrainingData, ValidationVolume, gather
from brainseg.model.forward import volume_views
from brainseg.model.losses import dice_bce
from brainseg.model.networks import Probabilities, build_network, channels_last
from brainseg.model.recipe import NetworkTrainParams, TrainParams
from brainseg.model.training import Trained, train
from brainseg.params import load_section
from brainseg.preprocess.inputs import InputParams, box_of, network_input, network_target
from brainseg.terminal import mistakes_in_one_sentence

PAGE = Path("docs/gpu.md")
NETWORK = "unet"
TOLERANCE = 1e-3
"""Largest difference of a probability that other orders of the same sums may make."""
CHECKPOINTS = "checkpoints"
_OPERATOR = re.compile(r"([\w.:]+) does not have a deterministic implementation")


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        trained: what came out.
        seconds: of all epochs.
        epochs: that were trained.
        peak_mib: most device memory at a time; None on the CPU.
        operators: without a deterministic implementation on this device, as torch says.
    """

    trained: Trained
    seconds: float
    epochs: int
    peak_mib: float | None
    operators: tuple[str, ...]

    @property
    def dice(self) -> float:
        """Mean whole-volume Dice of the validation patients at the epoch that is kept."""
        return self.trained.kept_row["val_dice"]


def main(
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training slices.")] = 6,
    data: Annotated[Path, typer.Option(help="Slice sets of real patients, taken too where they are.")] = Path(
        "data/clahe"
    ),
    out: Annotated[Path, typer.Option(help="Page to write.")] = PAGE,
) -> None:
    """Train on the CPU and on CUDA, twice, and predict on both; write what was found. Without CUDA, say so."""
    if not torch.cuda.is_available():
        typer.echo(f"torch {torch.__version__} sees no CUDA device here: nothing was measured, {out} is as it was.")
        return
    sections = [("synthetic patients", synthetic(24, load_section(Path("params.yaml"), "train", TrainParams)))]
    with mistakes_in_one_sentence():
        if data.is_dir():
            sections.append(("real patients", real(data)))
        tables = [table(title, compare(gathered, "cuda", epochs)) for title, gathered in sections]
    with atomic_path(out) as temporary:
        temporary.write_text(page(tables, torch.cuda.get_device_name()), encoding="utf-8")
    typer.echo("\n\n".join(tables))


def synthetic(patients: int, params: InputParams, slices_each: int = 20, size: int = 256) -> TrainingData:
    """Synthetic patients, a fifth of them to validate on."""
    made = stripped_patients(patients, slices_each, size)
    val, train_on = made[: patients // 5], made[patients // 5 :]
    images, masks = zip(
        *((network_input(one, params, whole := _all(one)), network_target(one, params, whole)) for one in train_on),
        strict=True,
    )
    validation = {
        f"validation {i}": ValidationVolume(network_input(one, params, _all(one)), box_of(one, params), one.masks)
        for i, one in enumerate(val)
    }
    names = [f"patient {i}" for i in range(len(train_on))]
    return TrainingData(
        np.concatenate(images).astype(np.float16), np.concatenate(masks).astype(np.float16), validation, names
    )


def _all(one: SliceSet) -> np.ndarray:
    return np.ones(len(one.slices), bool)


def real(data: Path) -> TrainingData:
    """What the stage train_unet would train on, from data/index.csv and splits/split.csv beside it."""
    index, split = read_index(data.parent / "index.csv"), read_split(Path("splits/split.csv"))
    return gather(data, index, split, load_section(Path("params.yaml"), "train", TrainParams).inputs)


def compare(
    data: TrainingData,
    device: str,
    epochs: int,
    train_params: TrainParams | None = None,
    network_params: NetworkTrainParams | None = None,
) -> list[tuple[str, str]]:
    """Train on the CPU with two seeds, and twice on `device`; predict on both.

    Args:
        data: to train and validate on.
        device: `cuda`; `cpu` tries the check itself.
        epochs: passes over the training slices.
        train_params: those of params.yaml where None.
        network_params: those of params.yaml where None.

    Returns:
        What was asked, and what was found.
    """
    shared = train_params or load_section(Path("params.yaml"), "train", TrainParams)
    own = network_params or load_section(Path("params.yaml"), NETWORK, NetworkTrainParams)
    own = own.model_copy(update={"epochs": epochs})
    here, there = (shared.model_copy(update={"device": name}) for name in ("cpu", device))
    cpu, other = run(data, here, own), run(data, here.model_copy(update={"replicate": 1}), own)
    first, again = run(data, there, own), run(data, there, own)
    chance = abs(cpu.dice - other.dice)
    same = equal(first.trained, again.trained)
    blamed = f"; without a deterministic implementation: {', '.join(first.operators)}" if first.operators else ""
    shown, total = len(data.images), len(data.images) * first.epochs
    difference = predicted_apart(first.trained, own, shared, device)
    full, mixed = (step_ms(own, shared, device, precision) for precision in ("32-true", "bf16-mixed"))
    memory = "-" if first.peak_mib is None else f"{first.peak_mib:.0f} MiB"
    return [
        ("slices trained on, epochs", f"{shown}, {epochs}"),
        ("validation Dice on the CPU, and with another seed", f"{cpu.dice:.3f}, {other.dice:.3f}"),
        (
            f"validation Dice on {device}",
            f"{first.dice:.3f} ({abs(first.dice - cpu.dice):.3f} away; chance {chance:.3f})",
        ),
        (f"the same bytes twice on {device}", ("yes" if same else "no") + blamed),
        ("slices a second, CPU", f"{len(data.images) * cpu.epochs / cpu.seconds:.0f}"),
        (f"slices a second, {device}", f"{total / first.seconds:.0f}"),
        (f"a training step on {device}", f"{full:.2f} ms a slice in float32, {mixed:.2f} in bfloat16 mixed precision"),
        ("most device memory", memory),
        ("largest difference of a probability, float32", f"{difference:.1e} (at most {TOLERANCE:.0e} is expected)"),
    ]


def run(data: TrainingData, train_params: TrainParams, network_params: NetworkTrainParams) -> Run:
    """One training from its start, with what it took."""
    cuda = train_params.device == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        began = time.perf_counter()
        trained = train(NETWORK, network_params, train_params, data, SEED, Path(folder) / CHECKPOINTS)
        seconds = time.perf_counter() - began
    operators = {found[1] for each in said if (found := _OPERATOR.search(str(each.message)))}
    peak = torch.cuda.max_memory_allocated() / 2**20 if cuda else None
    return Run(trained, seconds, len(trained.history), peak, tuple(sorted(operators)))


def step_ms(
    network_params: NetworkTrainParams, train_params: TrainParams, device: str, precision: Any, steps: int = 10
) -> float:
    """Milliseconds a slice of forward, loss, backward and AdamW on noise, in a precision of Fabric's."""
    from lightning_fabric import Fabric

    fabric = Fabric(accelerator=device, devices=1, precision=precision)
    network = channels_last(build_network(NETWORK, network_params, train_params.channels).to(fabric.device))
    network, optimizer = fabric.setup(network, torch.optim.AdamW(network.parameters()))
    size = train_params.input_size
    images = torch.randn(train_params.batch_size, train_params.channels, size, size, device=fabric.device)
    masks = (torch.rand(len(images), 1, size, size, device=fabric.device) < 0.1).float()
    images = images.contiguous(memory_format=torch.channels_last)
    began = 0.0
    for step in range(steps + 1):
        if step == 1:  # the first pays for allocations and the choice of kernels
            _wait(device)
            began = time.perf_counter()
        fabric.backward(dice_bce(network(images), masks, train_params.dice_weight))
        optimizer.step()
        optimizer.zero_grad()
    _wait(device)
    return 1e3 * (time.perf_counter() - began) / steps / len(images)


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def equal(a: Trained, b: Trained) -> bool:
    """Whether two trainings ended with the same bytes."""
    return a.state.keys() == b.state.keys() and all(torch.equal(a.state[key], b.state[key]) for key in a.state)


def predicted_apart(
    trained: Trained, network_params: NetworkTrainParams, train_params: TrainParams, device: str
) -> float:
    """Largest difference between the probabilities of the CPU and of `device` for a synthetic patient, in 0..1."""
    (volume,) = stripped_patients(1, 20, 256)
    found = []
    for name in ("cpu", device):
        network = build_network(NETWORK, network_params, train_params.channels)
        network.load_state_dict(trained.state)
        probabilities = Probabilities(network.to(name).eval())
        found.append(volume_views(probabilities, volume, train_params.inputs, tta=True).mean)
    return float(np.abs(found[0] - found[1]).max())


def table(title: str, rows: Sequence[tuple[str, str]]) -> str:
    """A Markdown table under its title."""
    return "\n".join([f"## {title.capitalize()}", "", "| | |", "| --- | --- |", *(f"| {a} | {b} |" for a, b in rows)])


def page(tables: Sequence[str], device: str) -> str:
    """The page: what was measured where."""
    return "\n\n".join([f"# On CUDA\n\nMeasured by `make gpu-check` on {device}, {describe()}.", *tables]) + "\n"


if __name__ == "__main__":
    typer.run(main)
