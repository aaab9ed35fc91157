"""`brainseg predict` on one synthetic patient: graphs beside eager torch, and beside the published U-Net, in turns."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
import typer

from benchmarks.settings import SEED
from benchmarks.timing import Comparison, format_comparisons, time_pairs
from brainseg.data.phantom import PhantomParams, make_patient
from brainseg.data.slices import SliceSet
from brainseg.inference.graphs import has_graph
from brainseg.inference.models import LoadedModels, load_models
from brainseg.inference.presets import FAST, PRESETS
from brainseg.inference.runtimes import PRECISIONS
from brainseg.model.catalogue import NETWORKS
from brainseg.model.forward import grid_probability
from brainseg.model.networks import PlainUNet
from brainseg.params import shipped_section
from brainseg.preprocess.inputs import network_input
from brainseg.preprocess.skull_strip import SkullStripParams, make_stripper
from brainseg.scans.array_origin import ArrayOrigin
from brainseg.scans.scan import SEQUENCES, Scan
from brainseg.segmentation.segmenter import Segmenter
from brainseg.shipped import FOLDER

SLICES = 36
EAGER = "eager torch, float32, channels last"
PUBLISHED = [32, 64, 128, 256, 512]
"""Channels of each level of the U-Net of Buda et al. 2019."""


def main(pairs: Annotated[int, typer.Option(min=1, help="Timed turns of each comparison.")] = 3) -> None:
    """Time prediction with the shipped weights, and print the peak of memory."""
    import resource
    import sys

    from benchmarks.machine import describe

    comparisons = compare(SLICES, pairs)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    print(format_comparisons(comparisons))
    print(f"\n{describe()}; medians of {pairs} pairs timed in turns; peak memory with both runtimes {peak:.0f} MiB")


def compare(slices: int, pairs: int) -> list[Comparison]:
    """Networks alone and the whole patient, each shipped precision beside eager torch and the published U-Net.

    Args:
        slices: of the synthetic patient.
        pairs: timed turns.
    """
    eager = load_models(device="cpu", runtime="torch")
    scan = _scan(slices)
    ways = [load_models(device="cpu", precision=precision) for precision in _shipped()]
    found = [_network(name, eager, fast, scan, pairs) for fast in ways for name in eager.networks]
    found += [_patient(Segmenter(eager), Segmenter(fast), scan, pairs) for fast in ways]
    fast = load_models(device="cpu", model=PRESETS[FAST].model, precision=PRESETS[FAST].precision)
    quick = {"predict": Segmenter(ways[0]), "predict --fast": Segmenter(fast, tta=PRESETS[FAST].tta)}
    found.append(_brain(scan, pairs))
    return found + [_beside_published(name, segmenter, scan, pairs) for name, segmenter in quick.items()]


def _shipped() -> list[str]:
    """Precisions of which every network has its graph."""
    return [
        precision
        for precision in PRECISIONS
        if all(has_graph(FOLDER / f"{name}.safetensors", precision) for name in NETWORKS)
    ]


def _network(name: str, eager: LoadedModels, fast: LoadedModels, scan: Scan, pairs: int) -> Comparison:
    network, info = eager.networks[name]
    everywhere = np.ones(scan.images.shape[:3], bool)
    inputs = network_input(SliceSet(scan.images, ~everywhere, everywhere, scan.slices), info.inputs)
    graph = fast.networks[name][0]
    return Comparison(
        what=f"{name} at {info.inputs.input_size} px",
        ours=_way(fast),
        theirs=EAGER,
        unit="ms/slice",
        pairs=time_pairs(
            lambda: grid_probability(graph, inputs, tta=False),
            lambda: grid_probability(network, inputs, tta=False),
            len(inputs),
            pairs,
        ),
    )


def _brain(scan: Scan, pairs: int) -> Comparison:
    params = shipped_section("skull_strip", SkullStripParams)
    made = [make_stripper(params.model_copy(update={"method": name})) for name in ("student", "deepbet")]
    student, deepbet = (stripper for stripper in made if stripper is not None)
    return Comparison(
        what=f"brain extraction, patient of {len(scan.slices)}",
        ours="the light network, before its gate",
        theirs="deepbet, the graphs that stand behind the gate",
        unit="s/patient",
        pairs=time_pairs(lambda: student.find(scan.images), lambda: deepbet.find(scan.images), 1, pairs),
    )


def _patient(plain: Segmenter, quick: Segmenter, scan: Scan, pairs: int) -> Comparison:
    return Comparison(
        what=f"predict, patient of {len(scan.slices)}",
        ours=f"brain extraction, both networks with flips by {_way(quick.models)}, clean-up",
        theirs=f"the same, the networks by {EAGER}",
        unit="s/patient",
        pairs=time_pairs(lambda: quick(scan), lambda: plain(scan), 1, pairs),
    )


def _beside_published(name: str, quick: Segmenter, scan: Scan, pairs: int) -> Comparison:
    published = PlainUNet(PUBLISHED).eval()
    inputs = torch.rand(len(scan.slices), 3, *scan.images.shape[1:3])

    @torch.inference_mode()
    def theirs() -> list[torch.Tensor]:
        return [published(batch).sigmoid() for batch in inputs.split(8)]

    return Comparison(
        what=f"{name}, patient of {len(scan.slices)}",
        ours=f"brain extraction, networks by {_way(quick.models)}, clean-up",
        theirs="the published U-Net on the slices as they are, eager torch: no brain extraction, no clean-up",
        unit="s/patient",
        pairs=time_pairs(lambda: quick(scan), theirs, 1, pairs),
    )


def _way(models: LoadedModels) -> str:
    return f"{models.runtime}, {models.precision}"


def _scan(slices: int) -> Scan:
    patient = make_patient(0, PhantomParams(patients=1, slices=slices, size=256), SEED)
    return Scan("phantom", patient.images, None, patient.slices, SEQUENCES, (), (), ArrayOrigin())


if __name__ == "__main__":
    typer.run(main)
