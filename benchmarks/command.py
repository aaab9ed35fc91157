"""`python -m benchmarks.command INPUT`: `brainseg predict` as a user runs it, process and all, with its memory."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.prediction import SLICES
from benchmarks.settings import SEED
from benchmarks.timing import Comparison, format_comparisons, time_pairs
from brainseg.data.phantom import PhantomParams, write_phantom
from brainseg.data.raw import MASK_SUFFIX, TREE

PUBLISHED = """
import sys
from pathlib import Path
import numpy as np, tifffile, torch
from benchmarks.prediction import PUBLISHED
from brainseg.model.networks import PlainUNet
paths = [path for path in sorted(Path(sys.argv[1]).glob("*.tif")) if not path.stem.endswith("_mask")]
slices = torch.from_numpy(np.stack([tifffile.imread(path) for path in paths])).permute(0, 3, 1, 2) / 255
network = PlainUNet(PUBLISHED).eval()
with torch.inference_mode():
    for batch in slices.split(8):
        network(batch).sigmoid()
"""
"""The published U-Net in a process of its own: the slices as they are, nothing found or written."""


_MEASURE = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""
"""A small process between: the kernel counts the memory of the one that starts a process as the process's own."""


@dataclass
class Command:
    """A command that is run whole, again and again.

    Attributes:
        line: what is run.
        peak_mib: the most memory that one of its processes took, of all runs.
    """

    line: Sequence[str]
    peak_mib: float = 0.0

    def __call__(self) -> None:
        done = subprocess.run([sys.executable, "-c", _MEASURE, *self.line], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(self.line)} failed: {done.stderr[-500:]}")
        self.peak_mib = max(self.peak_mib, int(done.stdout) / (2**20 if sys.platform == "darwin" else 2**10))


def main(
    patients: Annotated[
        list[Path] | None, typer.Argument(help="Patients' folders of TIF; else synthetic ones.")
    ] = None,
    pairs: Annotated[int, typer.Option(min=1, help="Timed turns of each comparison.")] = 3,
) -> None:
    """Time the whole command: one patient, `--fast`, and a cohort with one worker and with one a core."""
    from benchmarks.machine import cores, describe

    with tempfile.TemporaryDirectory() as scratch:
        folders = patients or synthetic(Path(scratch) / "in", 2 * cores())
        comparisons, commands = compare(folders, Path(scratch), pairs, cores())
    print(format_comparisons(comparisons))
    print(f"\n{memory(commands)}\n{describe()}")


def memory(commands: Mapping[str, Command]) -> str:
    """A line for each command: the most that one of its processes took."""
    return "\n".join(f"{name}: peak memory of a process {one.peak_mib:.0f} MiB" for name, one in commands.items())


def synthetic(folder: Path, patients: int) -> list[Path]:
    """Folders of synthetic patients as TIF slices, without their masks."""
    write_phantom(folder, PhantomParams(patients=patients, slices=SLICES, size=256), SEED)
    for mask in folder.rglob(f"*{MASK_SUFFIX}.tif"):
        mask.unlink()
    return sorted(path for path in (folder / TREE).iterdir() if path.is_dir())


def compare(
    folders: Sequence[Path], scratch: Path, pairs: int, workers: int
) -> tuple[list[Comparison], dict[str, Command]]:
    """The first patient alone beside the published U-Net, and all of them by one worker and by several.

    Args:
        folders: of patients.
        scratch: for results.
        pairs: timed turns.
        workers: of the second way.
    """

    def predict(name: str, inputs: Sequence[Path], *options: str) -> Command:
        line = [sys.executable, "-m", "brainseg.cli", "predict", *map(str, inputs), "--out", str(scratch / name)]
        return Command([*line, "--redo", "--trust-input", *options])

    first = folders[:1]
    ours = {"predict": predict("usual", first), "predict --fast": predict("fast", first, "--fast")}
    published = Command([sys.executable, "-c", PUBLISHED, str(folders[0])])
    slices = sum(not path.stem.endswith(MASK_SUFFIX) for path in folders[0].glob("*.tif"))
    found = [
        Comparison(
            what=f"{name}, whole command, patient of {slices}",
            ours="start, reading, brain extraction, networks, trust, writing",
            theirs="start, reading, the published U-Net in eager torch: no brain extraction, nothing written",
            unit="s/patient",
            pairs=time_pairs(command, published, 1, pairs),
        )
        for name, command in ours.items()
    ]
    several = predict("several", folders, "--workers", str(workers))
    one = predict("one", folders)
    found.append(
        Comparison(
            what=f"predict --workers {workers}, {len(folders)} patients",
            ours=f"{workers} processes that share the cores",
            theirs="one process with all cores",
            unit="s/patient",
            pairs=time_pairs(several, one, len(folders), pairs),
        )
    )
    return found, ours | {"one worker, all patients": one, "published U-Net": published}


if __name__ == "__main__":
    typer.run(main)
