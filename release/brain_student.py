"""The light network that finds the brain, taught by deepbet's agreed masks.

`python -m release.brain_student crossval` teaches it five times, each time without a fifth of the patients, and writes
what those say to studies/results/brain_student.csv and .json. `python -m release.brain_student write` teaches it on all
patients at hand and puts it into brainseg/weights. Both read data/raw, and data/stripped as the pipeline wrote it with
`skull_strip.method: deepbet`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import pandas as pd
import torch
import typer
from safetensors.torch import load_file, save_file
from torch import nn

from brainseg.compiled import import_openvino
from brainseg.data import raw as raw_tree
from brainseg.data import slices
from brainseg.data.slices import FLAIR, U8, Bool, Float
from brainseg.evaluation.overlap import overlap
from brainseg.evaluation.statistics import bootstrap_ci
from brainseg.files import atomic_path, write_csv, write_json
from brainseg.inference.openvino import serialised
from brainseg.model.augment import AugmentParams, augment
from brainseg.model.losses import dice_bce
from brainseg.model.networks import PlainUNet, channels_last, widen
from brainseg.preprocess.brain_student import (
    CHANNELS,
    SIDE,
    STUDENT,
    STUDENT_SUMS,
    agreement,
    brain_probability,
    mask_of,
    student_input,
)
from brainseg.preprocess.morphology import morphology
from brainseg.progress import progress
from brainseg.shipped import write_sums
from studies.command import run_app

WIDTHS = [8, 16, 32, 64, 128]
"""Channels of the U-Net's levels: half a million weights."""
EPOCHS, SLICES_AN_EPOCH, BATCH, RATE, DECAY = 36, 1024, 16, 3e-3, 1e-2
FOLDS, SEED = 5, 2019
MARGIN_PX = 3
"""`skull_strip.dilate_px`, with which data/stripped was written."""
# Stronger than for tumours: scanners, coils and fields of view differ more than brains do.
AUGMENT = AugmentParams(
    flip=0.5, rotation_deg=20, scale=0.25, shift=0.1, contrast=0.4, brightness=0.4, gamma=0.5, bias=0.5, noise=0.15,
    drop_sequence=0.2, flair_only=0.25,
)  # fmt: skip
WORK, RESULTS = Path("trained_release"), Path("studies/results")
Raw = Annotated[Path, typer.Option(help="The raw tree from download.")]
Stripped = Annotated[Path, typer.Option(help="Slice sets from skull_strip, by deepbet.")]
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Lesson:
    """One patient.

    Attributes:
        inputs: float32 [n, CHANNELS, SIDE, SIDE], see `student_input`.
        target: float32 [n, SIDE, SIDE], the share of a pixel that the teacher calls brain, before its margin.
        images: uint8 [n, height, width, 3].
        teacher: bool [n, height, width], with its margin.
        tumour: bool of that shape.
    """

    inputs: Float
    target: Float
    images: U8
    teacher: Bool
    tumour: Bool


@app.command()
def crossval(
    raw: Raw = Path("data/raw"),
    stripped: Stripped = Path("data/stripped"),
    work: Path = WORK,
    only: Annotated[int | None, typer.Option(help="One fold, and no summary.")] = None,
) -> None:
    """Teach it without each fifth of the patients, and ask it of those; what is done already is not done again."""
    lessons = _lessons(raw, stripped)
    fold_of = _folds(sorted(lessons))
    for fold in range(FOLDS) if only is None else [only]:
        path = work / f"brain_student_{fold}.csv"
        if path.exists():
            typer.echo(f"fold {fold}: {path} is there")
            continue
        network = _teach({name: lesson for name, lesson in lessons.items() if fold_of[name] != fold}, f"fold {fold}")
        _save(work / f"brain_student_{fold}.safetensors", network)
        rows = [
            row for name, lesson in lessons.items() if fold_of[name] == fold for row in _examine(network, name, lesson)
        ]
        write_csv(path, pd.DataFrame(rows).assign(fold=fold))
    if only is not None:
        return
    table = pd.concat([pd.read_csv(work / f"brain_student_{fold}.csv") for fold in range(FOLDS)], ignore_index=True)
    write_csv(RESULTS / "brain_student.csv", table)
    summary = {str(shown): _summary(rows) for shown, rows in table.groupby("shown", sort=False)}
    write_json(RESULTS / "brain_student.json", summary)
    typer.echo(json.dumps(summary, indent=2))


@app.command()
def write(raw: Raw = Path("data/raw"), stripped: Stripped = Path("data/stripped"), work: Path = WORK) -> None:
    """Teach it on all patients, and write the graph that is shipped."""
    network = _teach(_lessons(raw, stripped), "all patients")
    _save(work / "brain_student.safetensors", network)
    write_graph(network)


def write_graph(network: nn.Module, folder: Path = STUDENT) -> None:
    """Write the network as a graph, in half precision."""
    shape = [-1, CHANNELS, SIDE, SIDE]
    graph = import_openvino().convert_model(network, example_input=torch.zeros(2, *shape[1:]), input=shape)
    for suffix, content in zip((".xml", ".bin"), serialised(graph, half=True), strict=True):
        with atomic_path(folder / f"student{suffix}") as temporary:
            temporary.write_bytes(content)
    write_sums(folder / STUDENT_SUMS)


def _network() -> nn.Module:
    return channels_last(widen(PlainUNet(WIDTHS), CHANNELS))


def _save(path: Path, network: nn.Module) -> None:
    with atomic_path(path) as temporary:
        save_file({key: value.contiguous() for key, value in network.state_dict().items()}, temporary)


def load_student(path: Path) -> nn.Module:
    """The network that `crossval` or `write` left, in eval mode."""
    network = _network()
    network.load_state_dict(load_file(path))
    return network.eval()


def _lessons(raw: Path, stripped: Path) -> dict[str, Lesson]:
    lessons = {}
    for patient in progress(raw_tree.list_patients(raw), "reading"):
        whole = raw_tree.read_patient(patient)
        teacher = slices.load(stripped / f"{patient.name}.npz").brain
        bare = morphology(teacher, "erode", MARGIN_PX).astype(np.float32)
        target = np.stack([cv2.resize(plane, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for plane in bare])
        lessons[patient.name] = Lesson(student_input(whole.images), target, whole.images, teacher, whole.masks)
    return lessons


def _folds(names: list[str]) -> dict[str, int]:
    order = np.random.default_rng(SEED).permutation(len(names))
    return {name: int(place % FOLDS) for name, place in zip(names, order, strict=True)}


def _teach(lessons: Mapping[str, Lesson], what: str) -> nn.Module:
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    images = torch.from_numpy(np.concatenate([lesson.inputs for lesson in lessons.values()]))
    targets = torch.from_numpy(np.concatenate([lesson.target for lesson in lessons.values()]))[:, None]
    network = _network()
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    steps = EPOCHS * -(-min(SLICES_AN_EPOCH, len(images)) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    network.train()
    for _ in progress(range(EPOCHS), what):
        for batch in torch.randperm(len(images), generator=generator)[:SLICES_AN_EPOCH].split(BATCH):
            image, target = augment(images[batch], targets[batch], AUGMENT, generator)
            loss = dice_bce(network(image.contiguous(memory_format=torch.channels_last)), target)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return network.eval()


@torch.inference_mode()
def _ask(network: nn.Module, inputs: Float) -> Float:
    result: Float = network(torch.from_numpy(inputs)).sigmoid().numpy()
    return result


def _examine(network: nn.Module, name: str, lesson: Lesson) -> list[dict[str, object]]:
    """A row with all sequences, and one with FLAIR in the place of the others."""
    shown = {"all": lesson.images, "flair": np.repeat(lesson.images[..., FLAIR : FLAIR + 1], 3, -1)}
    rows = []
    for what, images in shown.items():
        plain, mirrored = brain_probability(lambda part: _ask(network, part), student_input(images))
        bare = mask_of((plain + mirrored) * np.float32(0.5), *images.shape[1:3])
        mask = morphology(bare, "dilate", MARGIN_PX)
        tumour = max(int(lesson.tumour.sum()), 1)
        rows.append(
            {
                "shown": what,
                "patient": name,
                "dice": overlap(lesson.teacher, mask).dice,
                "fraction": float(bare.mean()),
                "flip_agreement": agreement(plain, mirrored),
                "beyond_teacher": int((mask & ~lesson.teacher).sum()) / max(int(lesson.teacher.sum()), 1),
                "tumour_cut": int((lesson.tumour & ~mask).sum()) / tumour,
                "tumour_cut_teacher": int((lesson.tumour & ~lesson.teacher).sum()) / tumour,
            }
        )
    return rows


def _summary(rows: pd.DataFrame) -> dict[str, float]:
    low, high = bootstrap_ci(rows["dice"].tolist(), 2000, SEED)
    return {
        "dice_mean": float(rows["dice"].mean()),
        "dice_ci95_low": low,
        "dice_ci95_high": high,
        "dice_min": float(rows["dice"].min()),
        "flip_agreement_min": float(rows["flip_agreement"].min()),
        **{f"{key}_mean": float(rows[key].mean()) for key in ("tumour_cut", "tumour_cut_teacher")},
        **{f"{key}_max": float(rows[key].max()) for key in ("tumour_cut", "tumour_cut_teacher")},
        "n": len(rows),
    }


if __name__ == "__main__":
    run_app(app)
