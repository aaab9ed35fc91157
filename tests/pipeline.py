"""Checkouts of the pipeline in scratch folders, small enough to run it whole in a test."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.run import merge

ROOT = Path(__file__).resolve().parents[1]
# In the order in which they run.
STAGES = (
    "download",
    "filter_labeled",
    "skull_strip",
    "clahe",
    "split",
    "train_unet",
    "train_unetpp",
    "postprocess",
    "radiogenomics",
    "evaluate",
)
PAGE = "reports/index.html"
# What git keeps of the outputs.
KEPT = ("digests/", "metrics/", "splits/")
# What a fresh clone has of the pipeline; params.yaml is written by `set_up`.
PARTS = (
    "brainseg",
    "stages",
    "dvc.yaml",
    ".dvc/config",
    ".dvc/.gitignore",
    ".dvc/plots",
    ".dvc/plots_page.html",
    ".dvcignore",
    ".gitignore",
)
# Eight heads of about 12 slices and networks of some 100 000 weights at most: seconds instead of hours, and yet
# they learn to find tumours.
SMALL: dict[str, Any] = {
    "download": {"source": "phantom", "path": None, "phantom": {"patients": 8, "slices": 12, "size": 64}},
    "skull_strip": {"method": "classical", "sequences": "flair"},
    "split": {"by": "patient", "val": 0.25, "test": 0.25},
    "train": {
        "device": "cpu",
        "input_size": 32,
        "normalization": "percentile",
        "batch_size": 4,
        "dice_weight": 0.9,
        "ema_decay": 0.5,
        "patience": 16,
        "augment": {"rotation_deg": 0, "scale": 0, "shift": 0, "bias": 0, "drop_sequence": 0},
    },
    "unet": {"encoder": "plain", "encoder_weights": "none", "decoder_channels": [16, 8], "epochs": 8, "lr": 0.02},
    "unetpp": {
        "encoder": "tu-resnet10t",
        "encoder_weights": "none",
        "decoder_channels": [8, 4],
        "epochs": 16,
        "lr": 0.05,
    },
    "postprocess": {"thresholds": [0.3, 0.5], "min_component_px": [0, 5]},
    "radiogenomics": {"ibsi": False, "bootstrap": 200},
    "evaluate": {"bootstrap": 200, "overlays": 2},
}


def dvc_yaml() -> dict[str, Any]:
    """The content of dvc.yaml."""
    return yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))


def shipped_params() -> dict[str, Any]:
    """The content of params.yaml."""
    return yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def command(stage: str) -> list[str]:
    """The module of a stage and its arguments, from its `cmd` in dvc.yaml."""
    python, dash_m, *rest = shlex.split(dvc_yaml()["stages"][stage]["cmd"])
    assert (python, dash_m) == ("python", "-m")
    return rest


def outputs(stage: str) -> list[str]:
    """Paths that a stage writes: outs, metrics and plots."""
    content = dvc_yaml()["stages"][stage]
    items = [item for kind in ("outs", "metrics", "plots") for item in content.get(kind, [])]
    return [next(iter(item)) if isinstance(item, dict) else item for item in items]


def change_params(root: Path, changes: dict[str, Any]) -> None:
    """Lay nested `changes` over the params.yaml in `root`."""
    path = root / "params.yaml"
    content = merge(yaml.safe_load(path.read_text(encoding="utf-8")), changes)
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def lookup(key: str) -> Any:
    content: Any = shipped_params()
    for part in key.split("."):
        content = content[part]
    return content


def tracked(stage: str) -> list[str]:
    """The keys of params.yaml that a stage depends on."""
    listed = dvc_yaml()["stages"][stage].get("params", [])
    return list(shipped_params()) if listed == [{"params.yaml": None}] else listed  # as DVC writes "all of the file"


def begin(module: str, *arguments: str | Path, cwd: Path, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start a module as a command in a process group of its own; all that it says comes on one stream."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def done(process: subprocess.Popen[str], seconds: float | None = None) -> str:
    """Wait for what `begin` started; what it said. Fails with that if its exit status is not 0."""
    said = process.communicate(timeout=seconds)[0]
    line = shlex.join(map(str, process.args))  # type: ignore[arg-type]
    assert process.returncode == 0, f"{line} ended with {process.returncode}:\n{said}"
    return said


@dataclass(frozen=True)
class Checkout:
    """A git and DVC repository of its own, with nothing from outside in its environment.

    Attributes:
        root: the working tree.
        home: folder beside it for what git and DVC keep of a user and a machine.
    """

    root: Path
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """The caller's, less what steers git, DVC or Python's imports, plus this interpreter as `python`."""
        dropped = ("GIT_", "DVC_", "COV_", "PYTHON", "OMP_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        return kept | {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")]),
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(self.home / "site-cache"),
            "DVC_GLOBAL_CONFIG_DIR": str(self.home / "config"),
            "DVC_SYSTEM_CONFIG_DIR": str(self.home / "config"),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            **{f"GIT_{who}_NAME": "test" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "test@example.org" for who in ("AUTHOR", "COMMITTER")},
            # tiny arrays: a second thread would only wait for the first
            "OMP_NUM_THREADS": "1",
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `dvc` in a process group of its own."""
        return begin("dvc", *arguments, cwd=self.root, environment=self.environment)

    def dvc(self, *arguments: str) -> str:
        """Run `dvc`; what it said, on either stream. Fails with that if its exit status is not 0."""
        return done(self.start(*arguments))

    @contextmanager
    def entered(self) -> Iterator[Any]:
        """DVC within the block in this process, in the checkout and its environment: a process imports for long."""
        from dvc.repo import Repo

        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.root)
            for name, value in self.environment.items():
                patch.setenv(name, value)
            with Repo() as repo:
                yield repo

    def code(self) -> None:
        """Write what `dvc repro code` writes, without a record that it ran."""
        from stages.code import code

        with self.entered():
            code(Path("dvc.yaml"), Path("digests"))

    def stale(self) -> set[str]:
        """What `dvc status` names."""
        with self.entered() as repo:
            return set(repo.status())

    def planned(self) -> list[str]:
        """What `dvc repro` would run if each stage changed all that follow, once `code` is recorded as run."""
        with self.entered() as repo:
            repo.commit("code", force=True)
            return [stage.name for stage in repo.reproduce(dry=True, force_downstream=True)]

    def git(self, *arguments: str) -> str:
        """Run git; its standard output."""
        run = subprocess.run(
            ["git", *arguments], cwd=self.root, env=self.environment, check=True, capture_output=True, text=True
        )
        return run.stdout

    def commit(self, message: str) -> None:
        """Commit all that git does not ignore."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def copy(self, folder: Path) -> Checkout:
        """A copy of it in `folder`, cache and history included, to change."""
        copy = Checkout(folder / "checkout", folder / "home")
        shutil.copytree(self.root, copy.root)
        return copy

    def lock(self) -> dict[str, Any]:
        """The content of dvc.lock, by stage."""
        return yaml.safe_load((self.root / "dvc.lock").read_text(encoding="utf-8"))["stages"]

    def digests(self) -> dict[str, str]:
        """MD5 of every output, by path, as dvc.lock has it; but for the page, which names commit and times."""
        found = {out["path"]: out["md5"] for stage in self.lock().values() for out in stage["outs"]}
        return {path: digest for path, digest in found.items() if path != PAGE}


def set_up(folder: Path, changes: dict[str, Any] | None = None) -> Checkout:
    """Make a fresh checkout in `folder`, with the small parameters and `changes`, committed and not run yet."""
    checkout = Checkout(folder / "checkout", folder / "home")
    for part in PARTS:
        target = checkout.root / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(ROOT / part, target)
    shutil.copyfile(ROOT / "params.yaml", checkout.root / "params.yaml")
    change_params(checkout.root, merge(SMALL, changes or {}))
    checkout.git("init", "--quiet", "--initial-branch", "main")
    checkout.commit("code and parameters")
    return checkout


def stages_run(said: str) -> list[str]:
    """Stages that dvc says it runs, in order."""
    return re.findall(r"^Running stage '(\w+)':$", said, re.MULTILINE)


@dataclass(frozen=True)
class Said:
    """How a command ended: its exit status and both streams."""

    status: int
    out: str
    err: str


def run_module(stage: str, *arguments: str) -> int:
    """Run a stage's command as DVC does, in this process and the working directory: its folders are removed before.

    `arguments` replace those of dvc.yaml. What is no user's mistake comes out as the exception it is.

    Returns:
        The exit status.
    """
    module, *given = command(stage)
    for folder in [Path(name) for name in outputs(stage) if Path(name).is_dir()] if not arguments else []:
        shutil.rmtree(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [module, *(arguments or given)])
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except SystemExit as ended:
            return int(ended.code or 0)
    raise AssertionError(f"{module} ended without an exit status")


def run_here(stage: str, capsys: pytest.CaptureFixture[str], *arguments: str) -> Said:
    """What `run_module` returns, with what it said."""
    capsys.readouterr()
    status = run_module(stage, *arguments)
    return Said(status, *capsys.readouterr())
