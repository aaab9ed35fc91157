"""Post-processing chosen on validation patients, applied to test patients, and kept with the models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brainseg.data.on_disk import OnDisk
from brainseg.data.slices import Bool, SliceSet
from brainseg.errors import DataError
from brainseg.files import write_json
from brainseg.inference.postprocess import Choice, PostprocessParams, Record, choose
from brainseg.inference.predictor import Networks, VolumePrediction, predict_volume, save_prediction
from brainseg.inference.torch import load_network
from brainseg.model.catalogue import ENSEMBLE, NETWORKS
from brainseg.model.store import load_info, load_state, save_model

_TRUTH = "truth"
Patients = Iterable[tuple[str, SliceSet, Bool]]
"""Name, whole prepared volume, and which of its slices count (`brainseg.model.dataset.split_volumes`)."""


@dataclass(frozen=True)
class Chosen:
    """The post-processing of one model.

    Attributes:
        record: for the model's file.
        patients: that it was chosen on.
    """

    record: Record
    patients: int

    @property
    def choice(self) -> Choice:
        """The steps alone."""
        return self.record.choice

    @property
    def summary(self) -> dict[str, Any]:
        """The mean Dice of the validation patients before and after, ready for JSON."""
        kept = [row["dice"] for row in self.record.trail if row["kept"]]
        return {
            "dice_plain": kept[0],
            "dice_chosen": kept[-1],
            "n": self.patients,
            "chosen": self.choice.model_dump(),
        }


def load_trained(folder: Path) -> Networks:
    """All networks of a folder of `<name>.safetensors`.

    Raises:
        DataError: one is missing or damaged, or there is another.
    """
    there = sorted(path.stem for path in folder.glob("*.safetensors"))
    if there != sorted(NETWORKS):
        raise DataError(f"{folder} holds {', '.join(there) or 'no model'}, expected {' and '.join(NETWORKS)}; train.")
    files = {name: folder / f"{name}.safetensors" for name in NETWORKS}
    return {name: (load_network(path, "cpu"), load_info(path)) for name, path in files.items()}


def choose_all(networks: Networks, patients: Patients, params: PostprocessParams, scratch: Path) -> dict[str, Chosen]:
    """Choose the post-processing of each network and of their average; see `choose`.

    Args:
        networks: what `load_trained` gave.
        patients: validation patients.
        params: the candidates.
        scratch: an empty folder for what the networks say, so that memory does not grow with the patients; 13 bytes a
            pixel.
    """
    names: list[str] = []
    for patient, whole, keep in patients:
        names.append(patient)
        wanted = dict.fromkeys((*networks, ENSEMBLE))
        said = predict_volume(networks, whole, wanted, tta=params.tta, keep=keep).probabilities
        for kind, array in {_TRUTH: whole.masks[keep], **said}.items():
            np.save(scratch / f"{patient}.{kind}.npy", array)
    truths: Mapping[str, Bool] = _kept(scratch, names, _TRUTH)
    chosen = {}
    for name in (*networks, ENSEMBLE):
        choice, trail = choose(_kept(scratch, names, name), truths, params)
        chosen[name] = Chosen(Record.of(choice, tta=params.tta, trail=trail), len(truths))
    return chosen


def _kept(scratch: Path, names: Sequence[str], kind: str) -> Mapping[str, Any]:
    """What `choose_all` wrote, read when it is asked for."""
    return OnDisk(names, lambda patient: np.load(scratch / f"{patient}.{kind}.npy"), kept=0)


def predict_patients(
    networks: Networks, patients: Patients, chosen: Mapping[str, Chosen], folder: Path
) -> Iterator[tuple[str, SliceSet, Bool, VolumePrediction]]:
    """Write each model's prediction of each patient as `<folder>/<model>/<patient>.npz`, and yield it."""
    choices = {name: each.choice for name, each in chosen.items()}
    tta = next(iter(chosen.values())).record.tta
    for patient, whole, keep in patients:
        found = predict_volume(networks, whole, choices, tta=tta, keep=keep)
        for name, mask in found.masks.items():
            save_prediction(folder / name / f"{patient}.npz", mask, found.probabilities[name], whole.slices[keep])
        yield patient, whole, keep, found


def save_chosen(folder: Path, trained: Path, chosen: Mapping[str, Chosen], *, leaky: bool) -> None:
    """Write the networks with their post-processing, and what is known of their average.

    Args:
        folder: to write into.
        trained: folder of the networks as they were trained.
        chosen: what `choose_all` gave.
        leaky: slices of one patient are on several sides of the split.
    """
    metrics = {name: {"validation": each.summary | {"leaky": leaky}} for name, each in chosen.items()}
    for name in NETWORKS:
        path = trained / f"{name}.safetensors"
        update = {"postprocess": chosen[name].record.model_dump(), "metrics": metrics[name]}
        save_model(folder / path.name, load_state(path), load_info(path).model_copy(update=update))
    write_ensemble(folder, chosen[ENSEMBLE].record.model_dump(), metrics[ENSEMBLE])


def write_ensemble(folder: Path, postprocess: Mapping[str, Any], metrics: Mapping[str, Any]) -> None:
    """Write ensemble.json: which networks are averaged, and what is done with their average.

    Args:
        folder: of the networks' files.
        postprocess: a `Record` in plain values.
        metrics: figures with their split, for the record.
    """
    content = {"name": ENSEMBLE, "members": list(NETWORKS), "postprocess": postprocess, "metrics": metrics}
    write_json(folder / f"{ENSEMBLE}.json", content)
