"""`make demo`: the ten stages on synthetic patients, in a scratch copy of the checkout.

The copy (.demo/) is a DVC repository of its own, with its own cache, so that the tracked
files, dvc.lock and metrics of the checkout stay as they are. It is kept between runs: the
second one finds nothing to do.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from brainseg.errors import UserError

CHECKOUT = Path(__file__).resolve().parents[1]
# What the pipeline is made of. None of it is an output, so no result travels into the copy.
PARTS = ("brainseg", "stages", "dvc.yaml", ".dvc/plots")
DVC_CONFIG = "[core]\n    analytics = false\n    no_scm = true\n[cache]\n    dir = cache\n"


class DemoError(UserError):
    """The demo cannot be set up, or a stage of it failed."""


def mirror(source: Path, copy: Path, parts: tuple[str, ...] = PARTS) -> None:
    """Make the `parts` of `copy` the same as those of `source`.

    Files whose bytes are already right are not touched; files that `source` no longer has
    are removed. Whatever else is in `copy` (results, cache, checkpoints) is left alone.

    Raises:
        DemoError: a part is missing in `source`.
    """
    for part in parts:
        if not (source / part).exists():
            raise DemoError(f"{source / part} does not exist; run the demo from a whole checkout.")
        wanted = set(_files(source, part))
        for relative in set(_files(copy, part)) - wanted:
            (copy / relative).unlink()
        for relative in sorted(wanted):
            write_if_changed(copy / relative, (source / relative).read_bytes())


def write_if_changed(path: Path, content: bytes) -> None:
    """Write `content`, unless the file holds it already."""
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes` laid over it, mapping by mapping; lists and scalars are replaced whole."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            value = merge(old, value)
        merged[key] = value
    return merged


def set_up(source: Path, copy: Path) -> None:
    """Bring the scratch copy up to date: code, parameters and a DVC configuration without git.

    Raises:
        DemoError: a file of the checkout is missing or is not YAML.
    """
    mirror(source, copy)
    params = merge(_load_yaml(source / "params.yaml"), _load_yaml(source / "demo" / "params.yaml"))
    write_if_changed(copy / "params.yaml", yaml.safe_dump(params, sort_keys=False).encode())
    write_if_changed(copy / ".dvc" / "config", DVC_CONFIG.encode())


def reproduce(copy: Path) -> None:
    """Run `dvc repro` in the copy, with the Python that runs this file.

    Raises:
        DemoError: a stage failed.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "DVC_"))}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
    environment["DVC_NO_ANALYTICS"] = "1"
    environment.setdefault("PYTHONWARNINGS", "ignore:The `srun` command")  # of a library, where there is SLURM
    command = [sys.executable, "-m", "dvc", "repro"]
    status = subprocess.run(command, cwd=copy, env=environment, stdin=subprocess.DEVNULL).returncode
    if status:
        raise DemoError(f"The demo stopped (dvc repro in {copy} ended with {status}); see above.")


def main() -> None:
    """Set up, run, and show the table and where the page is."""
    argparse.ArgumentParser(description=(__doc__ or "").partition("`make demo`: ")[2]).parse_args()
    copy = CHECKOUT / ".demo"
    started = time.monotonic()
    try:
        set_up(CHECKOUT, copy)
        reproduce(copy)
        print_results(copy)
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit("Interrupted; the next `make demo` goes on from here.")
    print(f"All ten stages in {time.monotonic() - started:.0f} s. To start over: rm -rf {copy.name}")


def print_results(copy: Path) -> None:
    """Print the table of metrics and where the page is.

    Raises:
        DemoError: the pipeline ran but left no metrics.
    """
    from brainseg.report.text_table import format_table  # imports plotting, which the set-up does not need

    metrics = copy / "metrics" / "test.json"
    if not metrics.is_file():
        raise DemoError(f"{metrics} does not exist although dvc repro succeeded; start over: rm -rf {copy}")
    print(f"\n{format_table(json.loads(metrics.read_text(encoding='utf-8')))}\n")
    print(f"What happened, to look at: {copy / 'reports' / 'index.html'}")


def _files(root: Path, part: str) -> Iterator[Path]:
    top = root / part
    for path in [top] if top.is_file() else top.rglob("*"):
        relative = path.relative_to(root)
        if path.is_file() and "__pycache__" not in relative.parts:
            yield relative


def _load_yaml(path: Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DemoError(f"{path} does not exist; restore it with: git checkout -- {path}") from None
    except yaml.YAMLError as error:
        raise DemoError(f"{path} is not valid YAML: {' '.join(str(error).split())}; correct it.") from None
    if not isinstance(loaded, dict):
        raise DemoError(f"{path} holds a {type(loaded).__name__}, expected a mapping of sections.")
    return loaded


if __name__ == "__main__":
    main()
