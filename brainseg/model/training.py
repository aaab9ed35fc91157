"""The training loop: deterministic for a seed, resumable after a kill with the same bytes."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from brainseg.errors import TrainingError
from brainseg.evaluation.overlap import overlap
from brainseg.model import checkpoint
from brainseg.model.architecture import Architecture
from brainseg.model.augment import augment
from brainseg.model.dataset import TrainingData
from brainseg.model.forward import grid_probability
from brainseg.model.losses import dice_bce
from brainseg.model.networks import Probabilities
from brainseg.model.recipe import RunParams, TrainParams
from brainseg.model.run import Run, start
from brainseg.preprocess.inputs import to_slice_grid
from brainseg.progress import progress


@dataclass(frozen=True)
class Trained:
    """What training gives: weights of the best epoch, and how it went.

    Attributes:
        state: averaged weights of the best epoch; of the last where there are no validation patients.
        history: one row per epoch: epoch, lr, train_loss, val_dice.
        best_row: the row of that epoch.
        scores: its whole-volume Dice by validation patient, at a threshold of 0.5.
    """

    state: dict[str, Tensor]
    history: list[dict[str, float]]
    best_row: dict[str, float]
    scores: dict[str, float]


def train(
    architecture: Architecture,
    run_params: RunParams,
    params: TrainParams,
    data: TrainingData,
    seed: int,
    checkpoints: Path,
    report: Callable[[dict[str, float]], None] = lambda row: None,
) -> Trained:
    """Train one network and keep the epoch with the best whole-volume validation Dice.

    Every random draw of an epoch comes from (seed, replicate, epoch), so a run that was killed continues
    from its last whole epoch and ends with the same bytes as one that never was.

    Args:
        architecture: which network.
        run_params: its section of params.yaml.
        params: the shared section.
        data: training slices and validation volumes; without the latter the last epoch is kept.
        seed: of every draw.
        checkpoints: folder for the state of an unfinished run; emptied at the end by `finish`.
        report: called with each finished epoch's row.

    Raises:
        TrainingError: the loss is not finite, memory ran out, or a batch is too small for batch norm.
    """
    _deterministic()
    if params.replicate:
        seed = _mix(seed, params.replicate)
    torch.manual_seed(seed)
    path = _checkpoint_path(architecture, run_params, params, data, seed, checkpoints)
    run = start(architecture, run_params, params, steps=len(_batches(torch.arange(len(data.images)), params)))
    if state := checkpoint.read(path):
        run.restore(state)
        report({"resumed_after_epoch": len(run.history)})
    images, masks = torch.from_numpy(data.images), torch.from_numpy(data.masks)
    images, masks = run.fabric.to_device((images, masks))
    try:
        while not _finished(run, run_params.epochs, params.patience):
            epoch = len(run.history) + 1
            loss = _epoch(run, images, masks, params, seed, epoch) if run_params.epochs else None
            _validate(run, data, epoch if run_params.epochs else 0, loss)
            checkpoint.write(path, run.state())
            report(run.history[-1])
    except (torch.cuda.OutOfMemoryError, MemoryError) as error:
        raise _out_of_memory(params) from error
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise TrainingError(
            f"a batch of a single slice is too small for batch norm at train.input_size {params.input_size}: change "
            f"train.batch_size ({params.batch_size}; {len(data.images)} slices to train on) or raise the size."
        ) from None
    except RuntimeError as error:
        if "can't allocate memory" in str(error):  # the CPU allocator has no class of its own
            raise _out_of_memory(params) from error
        raise
    return Trained(run.best, run.history, run.best_row, run.best_scores)


def finish(checkpoints: Path) -> None:
    """Remove the checkpoints once the model is safely written."""
    checkpoint.discard_others(checkpoints, keep=checkpoints / "none")


def _deterministic() -> None:
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
    # a help in debugging, which costs a tenth of a step
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False


def _checkpoint_path(
    architecture: str, run_params: RunParams, params: TrainParams, data: TrainingData, seed: int, folder: Path
) -> Path:
    """One name per run: other data, parameters, seed, threads or torch never meet in a checkpoint."""
    truths = [volume.truth for volume in data.validation.values()]
    environment = [seed, architecture, torch.__version__, torch.get_num_threads()]
    parts = [run_params.model_dump(), params.model_dump(), environment, data.images, data.masks, *truths]
    path = folder / f"{checkpoint.fingerprint(*parts)}.pt"
    checkpoint.discard_others(folder, keep=path)
    return path


def _finished(run: Run, epochs: int, patience: int) -> bool:
    if not run.history:
        return False
    last = run.history[-1]["epoch"]
    return last >= epochs or last - run.best_row["epoch"] >= patience


def _batches(order: Tensor, params: TrainParams) -> list[Tensor]:
    """Divide into batches; one slice left over joins the batch before, since batch norm needs two."""
    batches = list(order.split(params.batch_size))
    if len(batches) > 1 and len(batches[-1]) == 1 < params.batch_size:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def _epoch(run: Run, images: Tensor, masks: Tensor, params: TrainParams, seed: int, epoch: int) -> float:
    """One pass over the training slices; returns the mean loss."""
    generator = torch.Generator().manual_seed(_mix(seed, epoch))
    torch.manual_seed(_mix(seed, epoch))  # layers that draw by themselves
    network, optimizer = run.wrapped
    network.train()
    total = 0.0
    batches = _batches(torch.randperm(len(images), generator=generator), params)
    for batch in progress(batches, f"epoch {epoch}"):
        batch = batch.to(images.device)
        image, mask = augment(images[batch].float(), masks[batch, None].float(), params.augment, generator)
        loss = dice_bce(network(image.contiguous(memory_format=torch.channels_last)), mask, params.dice_weight)
        value = loss.item()
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss became {value} in epoch {epoch}; lower the learning rate (unet.lr or unetpp.lr) "
                "or train.grad_clip, and start again."
            )
        optimizer.zero_grad()
        run.fabric.backward(loss)
        run.fabric.clip_gradients(network, optimizer, max_norm=params.grad_clip, error_if_nonfinite=False)
        optimizer.step()
        assert run.schedule is not None
        run.schedule.step()
        run.average.update_parameters(run.network)
        total += value * len(batch)
    return total / len(images)


def _validate(run: Run, data: TrainingData, epoch: int, loss: float | None) -> None:
    """Score the averaged weights on whole validation volumes; keep them if they are the best."""
    network = run.average.module.eval()
    probabilities = Probabilities(network)
    scores = {}
    for patient, volume in data.validation.items():
        grid = grid_probability(probabilities, volume.inputs, tta=False)
        prediction = to_slice_grid(grid, volume.box, *volume.truth.shape[1:]) >= 0.5
        scores[patient] = overlap(volume.truth, prediction).dice
    row = {"epoch": epoch, "lr": run.optimizer.param_groups[0]["lr"]}
    row |= {"val_dice": float(np.mean(list(scores.values())))} if scores else {}
    run.history.append(row | ({"train_loss": loss} if loss is not None else {}))
    if run.best_row["epoch"] == epoch:
        run.best = {key: value.detach().cpu().clone() for key, value in network.state_dict().items()}
        run.best_scores = scores


def _mix(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)


def _out_of_memory(params: TrainParams) -> TrainingError:
    return TrainingError(
        f"memory ran out while training with train.batch_size {params.batch_size} and train.input_size "
        f"{params.input_size}; lower one of them."
    )
