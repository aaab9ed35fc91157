"""`python -m benchmarks.floor`: how far a training step is from what this machine's matrix products allow."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Annotated

import torch
import typer
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import describe
from benchmarks.settings import SEED
from brainseg.model.augment import augment
from brainseg.model.catalogue import NETWORKS
from brainseg.model.losses import dice_bce
from brainseg.model.recipe import NetworkTrainParams, TrainParams
from brainseg.model.state import start
from brainseg.params import load_section

PASSES = 3  # forward, and backward to the input and to the weights: each as much work as the first
REPEATS = 7


def main(
    params: Annotated[Path, typer.Option(help="The parameters' file: network, grid, batch.")] = Path("params.yaml"),
) -> None:
    """Time the parts of a training step on noise beside the least that its multiplications would take."""
    train_params = load_section(params, "train", TrainParams)
    rate = matrix_rate()
    print(f"matrix product, float32: {rate / 1e9:.0f} GFLOP/s\n")
    print("network  GFLOP/slice  floor ms  step ms  of which augment  forward  backward  update  step/floor")
    for name in NETWORKS:
        network_params = load_section(params, name, NetworkTrainParams)
        work = PASSES * forward_flops(name, network_params, train_params) / train_params.batch_size
        parts = [1e3 * seconds / train_params.batch_size for seconds in step_parts(name, network_params, train_params)]
        floor, step = 1e3 * work / rate, sum(parts)
        cells = "  ".join(f"{part:7.1f}" for part in parts)
        print(f"{name:7}  {work / 1e9:11.2f}  {floor:8.1f}  {step:7.1f}  {'':8} {cells}  {step / floor:9.1f}")
    print(f"\n{train_params.input_size} px, batches of {train_params.batch_size}, times per slice; {describe()}")


def matrix_rate(side: int = 2048) -> float:
    """Floating-point operations a second of a square float32 matrix product."""
    left, right = torch.randn(2, side, side)
    return 2 * side**3 / _timed(lambda: left @ right)


def forward_flops(name: str, network_params: NetworkTrainParams, train_params: TrainParams) -> int:
    """Of one batch, counted by torch for convolutions and matrix products."""
    network = start(name, network_params, train_params, steps=1).network
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        side = train_params.input_size
        network(torch.zeros(train_params.batch_size, train_params.channels, side, side))
    return counter.get_total_flops()


def step_parts(name: str, network_params: NetworkTrainParams, train_params: TrainParams) -> list[float]:
    """Seconds of augmentation, forward pass with loss, backward pass, and update, medians of some steps."""
    torch.manual_seed(SEED)
    state = start(name, network_params, train_params.model_copy(update={"device": "cpu"}), steps=REPEATS + 2)
    network, optimizer = state.wrapped
    side, batch = train_params.input_size, train_params.batch_size
    images = torch.randn(batch, train_params.channels, side, side)
    masks = (torch.rand(batch, 1, side, side) < 0.1).float()
    generator = torch.Generator().manual_seed(SEED)
    seen: list[list[float]] = []
    for _ in range(REPEATS + 2):
        moments = [time.perf_counter()]
        image, mask = augment(images, masks, train_params.augment, generator)
        moments.append(time.perf_counter())
        loss = dice_bce(network(image.contiguous(memory_format=torch.channels_last)), mask, train_params.dice_weight)
        moments.append(time.perf_counter())
        optimizer.zero_grad()
        state.fabric.backward(loss)
        moments.append(time.perf_counter())
        state.fabric.clip_gradients(network, optimizer, max_norm=train_params.grad_clip)
        optimizer.step()
        state.average.update_parameters(state.network)
        moments.append(time.perf_counter())
        seen.append([b - a for a, b in pairwise(moments)])
    return [median(column) for column in zip(*seen[2:], strict=True)]  # the first two pay for allocations


def _timed(work: Callable[[], object]) -> float:
    work()
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return median(seconds)


if __name__ == "__main__":
    typer.run(main)
