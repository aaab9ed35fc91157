"""`python -m studies.sequence`: learn to tell FLAIR from other sequences, and try it on patients left out.

T1 and T1 with contrast agent are the training data's own channels, where they are not FLAIR again. There is no T2 in
this dataset: what stands for it is made from the other two. A real T2 may look different. Of each volume there is
another one with its tone curve bent, uneven light and noise, as another scanner or export may give it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from scipy.optimize import minimize

from brainseg.data import slices
from brainseg.data.slices import FLAIR, U8, Bool, Float64
from brainseg.files import write_json
from brainseg.progress import progress
from brainseg.trust.sequence import NAMES, RECOGNISER, Recogniser, features
from studies.command import run_app

FOLDS = 8
RIDGE = 1.0
"""Penalty of the sum of squared weights; features have a spread of 1."""
DARK, DARKEST = 20, 1
"""Percentiles of a FLAIR's brain: below the first one there is some fluid, at the second nothing else."""
ROOM = 3.0
"""FLAIRs of other scanners may look less like one than any that was learnt from."""
GAMMA, FIELD, NOISE = 0.4, 0.3, 0.04
"""Of altered volumes: largest logarithm of the tone curve's exponent, largest slope of the field from the middle to an
edge, largest standard deviation of the noise as a share of white."""
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Look(NamedTuple):
    """One volume: whose, what it was made from, which sequence it stands for, and its features."""

    patient: str
    source: str
    sequence: str
    features: Float64


@app.command()
def main(
    data: Annotated[Path, typer.Option(help="Folder of slice sets from skull_strip.")] = Path("data/stripped"),
    result: Annotated[Path, typer.Option(help="JSON to write: what it is worth.")] = Path(
        "studies/results/sequence.json"
    ),
    recogniser: Annotated[Path, typer.Option(help="JSON to write: the constants.")] = RECOGNISER,
) -> None:
    """Write how often each sequence is refused as a FLAIR, out of fold, and the constants learnt from all patients."""
    looks = [look for name in progress(slices.patients(data), "sequences") for look in of_patient(data, name)]
    found = summary(looks, out_of_fold(looks))
    write_json(result, found)
    write_json(recogniser, learn(looks).model_dump())
    for source, figures in found["refused"].items():
        typer.echo(f"{source}: {figures['refused']} of {figures['n']} refused")


def of_patient(data: Path, patient: str) -> Iterator[Look]:
    """Each sequence that the patient has, and what is made of them."""
    stack = slices.load(data / f"{patient}.npz")
    flair = stack.images[..., FLAIR]
    volumes = {"flair": ("flair", flair), "t2 of flair": ("t2", fluid_bright(flair, stack.brain))}
    for channel, sequence in ((0, "t1"), (2, "t1c")):
        values = stack.images[..., channel]
        if (values != flair).any():
            volumes[sequence] = (sequence, values)
    if "t1" in volumes:
        volumes["t2 of t1"] = ("t2", inverted(volumes["t1"][1], stack.brain))
    rng = np.random.default_rng(list(patient.encode()))
    for source, (sequence, values) in volumes.items():
        for name, changed in ((source, values), (f"{source}, altered", altered(values, stack.brain, rng))):
            seen = features(np.ascontiguousarray(changed), stack.brain)
            if seen is not None:
                yield Look(patient, name, sequence, seen)


def altered(image: U8, brain: Bool, rng: np.random.Generator) -> U8:
    """The same sequence by another scanner: tone curve, a smooth field along a random direction, noise."""
    top = max(float(np.percentile(image[brain], 99.5)), 1.0)
    values = np.clip(image / top, 0, 1.2) ** np.exp(rng.uniform(-GAMMA, GAMMA))
    axes = np.meshgrid(*(np.linspace(-1, 1, side) for side in image.shape[1:]), indexing="ij")
    angle = rng.uniform(0, 2 * np.pi)
    values *= 1 + rng.uniform(0, FIELD) * (np.cos(angle) * axes[0] + np.sin(angle) * axes[1])
    values += rng.normal(0, rng.uniform(0, NOISE), values.shape)
    return np.where(brain, np.clip(200 * values, 0, 255), 0).astype(np.uint8)


def inverted(image: U8, brain: Bool) -> U8:
    """A T1 whose bright and dark within the brain change places: fluid bright, grey matter above white."""
    top = np.percentile(image[brain], 99.5)
    return np.where(brain, np.clip(top - image + 0.2 * top, 0, 255), 0).astype(np.uint8)


def fluid_bright(image: U8, brain: Bool) -> U8:
    """A FLAIR whose fluid is as bright as on a T2: grey and white matter have the same order on both."""
    dark, darkest, top = np.percentile(image[brain], [DARK, DARKEST, 99.5])
    fluid = np.clip((dark - image.astype(float)) / max(dark - darkest, 1.0), 0, 1)
    return np.where(brain, np.clip(image * (1 - fluid) + 1.2 * top * fluid, 0, 255), 0).astype(np.uint8)


def learn(looks: list[Look]) -> Recogniser:
    """Softmax regression with a ridge; each sequence counts as much as another, however many volumes it has.

    The limit lies where the least likely FLAIR of these patients would still pass with its odds divided by `ROOM`.
    """
    x = np.stack([look.features for look in looks])
    mean, scale = x.mean(0), np.maximum(x.std(0), 1e-6)
    z = np.concatenate([(x - mean) / scale, np.ones((len(x), 1))], 1)
    names = list(NAMES)
    y = np.array([names.index(look.sequence) for look in looks])
    share = 1 / (len(names) * np.bincount(y, minlength=len(names)).clip(1))[y] * len(y)

    def loss(flat: Float64) -> tuple[float, Float64]:
        weights = flat.reshape(len(names), -1)
        scores = z @ weights.T
        scores -= scores.max(1, keepdims=True)
        logs = scores - np.log(np.exp(scores).sum(1, keepdims=True))
        wrong = (np.exp(logs) - np.eye(len(names))[y]) * share[:, None]
        penalised = np.concatenate([weights[:, :-1], np.zeros((len(names), 1))], 1)
        value = -float((share * logs[np.arange(len(y)), y]).sum()) + RIDGE / 2 * float((penalised**2).sum())
        return value, (wrong.T @ z + RIDGE * penalised).ravel()

    weights = minimize(loss, np.zeros(len(names) * z.shape[1]), jac=True, method="L-BFGS-B").x.reshape(len(names), -1)
    found = Recogniser(
        volumes=len(looks),
        least=0.0,
        mean=mean.tolist(),
        scale=scale.tolist(),
        weights={name: line.tolist() for name, line in zip(names, weights, strict=True)},
    )
    lowest = min(found.probabilities(look.features)["flair"] for look in looks if look.sequence == "flair")
    odds = lowest / max(1 - lowest, 1e-9) / ROOM
    return found.model_copy(update={"least": min(0.5, odds / (1 + odds))})


def out_of_fold(looks: list[Look]) -> list[tuple[float, bool]]:
    """For each volume: how likely a FLAIR it is by what other patients taught, and whether it is refused."""
    patients = sorted({look.patient for look in looks})
    fold = {patient: i % FOLDS for i, patient in enumerate(patients)}
    learnt = [learn([look for look in looks if fold[look.patient] != i]) for i in range(FOLDS)]
    found: list[tuple[float, bool]] = []
    for look in looks:
        recogniser = learnt[fold[look.patient]]
        likely = recogniser.probabilities(look.features)["flair"]
        found.append((likely, likely < recogniser.least))
    return found


def summary(looks: list[Look], tried: list[tuple[float, bool]]) -> dict[str, Any]:
    """By what a volume was made from: how many were refused, and how likely FLAIRs they were."""
    refused = {}
    for source in sorted({look.source for look in looks}):
        of = [outcome for look, outcome in zip(looks, tried, strict=True) if look.source == source]
        likely = [chance for chance, _ in of]
        refused[source] = {
            "n": len(of),
            "refused": sum(no for _, no in of),
            "flair_probability_median": float(np.median(likely)),
            "flair_probability_min": min(likely),
            "flair_probability_max": max(likely),
        }
    return {"patients": len({look.patient for look in looks}), "folds": FOLDS, "refused": refused}


if __name__ == "__main__":
    run_app(app)
