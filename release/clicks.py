"""The network of clicks that the package ships: in half precision, with its graphs in float32 and int8.

`python -m studies.clicks train --split trained_release/split.csv --models brainseg/weights --work trained_release`
trains it on every patient at hand, from the shipped U-Net. `python -m release.clicks
trained_release/own/clicks.safetensors` then puts it among the shipped files.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from brainseg.compiled import import_openvino
from brainseg.correct.clicks.inputs import CHANNELS
from brainseg.correct.clicks.model import load_network, to_graph
from brainseg.correct.clicks.network import NAME
from brainseg.correct.clicks.rehearsal import rehearse
from brainseg.correct.clicks.training import Head, gather
from brainseg.data.slices import Float
from brainseg.errors import DataError
from brainseg.files import sha256
from brainseg.inference.graphs import write_graph
from brainseg.inference.openvino import serialised
from brainseg.inference.runtimes import FLOAT32, INT8
from brainseg.model.store import load_info, load_state, save_model
from brainseg.progress import progress
from brainseg.shipped import FOLDER, SUMS, halve, write_sums
from release.graphs import shared_graph
from studies.command import run_app

MOST_BYTES = 12_000_000
"""Of each file."""
SEED = 0
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def write(
    model: Annotated[Path, typer.Argument(help="What `studies.clicks train` wrote.")],
    data: Annotated[Path, typer.Option(help="Folder of slice sets from clahe, to calibrate int8 on.")] = Path(
        "data/clahe"
    ),
    weights: Annotated[Path, typer.Option(help="Folder of the shipped files.")] = FOLDER,
) -> None:
    """Write weights, float32 and int8 graphs of the network of clicks, and the digests of all files.

    Raises:
        DataError: a file is larger than `MOST_BYTES`, or `model` is of something else.
    """
    info = load_info(model)
    if info.name != NAME:
        raise DataError(f"{model} is the model {info.name}, expected {NAME}; train it with studies.clicks.")
    path = weights / f"{NAME}.safetensors"
    save_model(path, halve(load_state(model)), info)
    write_graph(shared_graph(path, *load_network(path), CHANNELS), path, sha256(path), FLOAT32, shares_weights=True)
    quantise(path, gather(data, info.training["patients"], info.inputs))
    write_sums(weights / SUMS)
    sizes = {file.name: file.stat().st_size for file in sorted(weights.glob(f"{NAME}.*"))}
    typer.echo(f"{path}: {sum(sizes.values()) / 1e6:.1f} MB with its graphs")
    if max(sizes.values()) > MOST_BYTES:
        raise DataError(f"{max(sizes, key=lambda name: sizes[name])} takes more than {MOST_BYTES} bytes; shrink it.")


def quantise(path: Path, heads: list[Head]) -> None:
    """Write the int8 graph beside a network of clicks, calibrated on a rehearsed click of each patient."""
    import_openvino()  # first: without its telemetry
    import nncf

    inputs = list(calibration(heads))
    mixed = nncf.QuantizationPreset.MIXED
    graph = nncf.quantize(to_graph(path), nncf.Dataset(inputs), subset_size=len(inputs), preset=mixed)
    write_graph(serialised(graph), path, sha256(path), INT8)


def calibration(heads: list[Head]) -> Iterator[Float]:
    """What the network sees of the clicked slice and of one beside it, float32 [1, CHANNELS, s, s] each."""
    rng = np.random.default_rng(SEED)
    for head in progress(heads, "calibration"):
        found = rehearse(head.truth >= 0.5, head.images.astype(np.float32), rng)
        if found is None:
            continue
        images = head.images[found.chosen].astype(np.float32)
        seen = np.concatenate([images, found.marked[:, None], found.maps], 1)
        clicked = int(found.maps.max((1, 2, 3)).argmax())
        for place in {clicked, (clicked + 1) % len(seen)}:
            yield seen[place : place + 1]


if __name__ == "__main__":
    run_app(app)
