"""`make relock`: record in dvc.lock that changed code still gives the same outputs, after both have run."""

from __future__ import annotations

import functools
import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from dvc.utils.serialize import dump_yaml

from brainseg.errors import UserError
from brainseg.files import atomic_path
from brainseg.terminal import mistakes_in_one_sentence
from tests.pipeline import PAGE, Checkout, change_params

# What the outputs are made of; it has to be committed, since commits are what is compared.
PARTS = ("brainseg", "stages", "dvc.yaml", "params.yaml")
# The recipe of params.yaml, with its brain extraction, encoder and choices, on a few small heads for an epoch.
TRIAL: dict[str, Any] = {
    "download": {"source": "phantom", "path": None, "phantom": {"patients": 5, "slices": 10, "size": 64}},
    "split": {"val": 0.2, "test": 0.2},
    "train": {"device": "cpu", "input_size": 64, "batch_size": 4},
    "unet": {"epochs": 1},
    "unetpp": {"epochs": 1},
    "radiogenomics": {"bootstrap": 200},
    "evaluate": {"bootstrap": 200, "overlays": 2},
}
Lock = dict[str, dict[str, Any]]


def relock(root: Path, trial: Mapping[str, Any] = TRIAL, base: str | None = None) -> str:
    """Run the pipeline as it was when dvc.lock was written and as it is now; record the code where nothing differs.

    Args:
        root: the checkout.
        trial: laid over params.yaml of either commit, to make its run short.
        base: the commit that dvc.lock is of; the last that changed it, where None.

    Returns:
        The commit compared with.

    Raises:
        UserError: code is not committed, dvc.lock was not of its commit's code, a run failed, or outputs differ. Then
            nothing is recorded.
    """
    with tempfile.TemporaryDirectory() as scratch:
        here = Checkout(root, Path(scratch) / "here")
        if changed := here.git("status", "--porcelain", "--", *PARTS).strip():
            raise UserError(f"{changed.splitlines()[0].split()[-1]} is not committed; commit it, then run make relock.")
        base = base or here.git("log", "-1", "--format=%H", "--", "dvc.lock").strip()
        before, now = (
            _clone(here, Path(scratch) / name, name, rev) for name, rev in (("before", base), ("now", "HEAD"))
        )
        lock = before.lock()
        _require_of_its_code(before, lock, base)
        params = _yaml(before.root / "params.yaml")
        _run_both({base: before, "HEAD": now}, trial)
        if differing := differences(before.lock(), now.lock()):
            stage, paths = next(iter(differing.items()))
            raise UserError(
                f"{stage} does not write what it wrote at {base[:10]} ({', '.join(paths)}); nothing was recorded. "
                "If that is meant, run dvc repro."
            )
        pipeline = _yaml(root / "dvc.yaml")["stages"]
        here.dvc("repro", "--single-item", "code")
        _write_lock(root / "dvc.lock", renewed(lock | {"code": here.lock()["code"]}, pipeline, params))
    return base


def differences(before: Lock, now: Lock) -> dict[str, list[str]]:
    """Outputs that are new, gone or of other bytes, by stage in the pipeline's order; but for the page and digests.

    The page names the commit and how long stages took.
    """
    found = {}
    for stage in dict.fromkeys([*now, *before]):
        a, b = ({out["path"]: out["md5"] for out in lock.get(stage, {}).get("outs", [])} for lock in (before, now))
        paths = sorted(path for path in a.keys() | b.keys() if path != PAGE and a.get(path) != b.get(path))
        if paths and stage != "code":
            found[stage] = paths
    return found


def renewed(lock: Lock, pipeline: Mapping[str, Any], params: Mapping[str, Any]) -> Lock:
    """A lock of the commands and dependencies of `pipeline`, whose outputs are those of `lock`.

    Args:
        lock: as written; its `code` is of today.
        pipeline: the stages of dvc.yaml.
        params: content of params.yaml when the outputs were made.
    """
    made = {out["path"]: out for entry in lock.values() for out in entry["outs"]}
    found: Lock = {}
    for stage, content in pipeline.items():
        entry = dict(lock[stage])
        if stage != "code":
            known = {dep["path"]: dep for dep in entry.get("deps", [])} | made
            wanted = {
                key: functools.reduce(lambda c, k: c[k], key.split("."), params) for key in content.get("params", [])
            }
            entry = {
                "cmd": content["cmd"],
                "deps": [dict(known[path]) for path in sorted(content["deps"])],
                **({"params": {"params.yaml": dict(sorted(wanted.items()))}} if wanted else {}),
                "outs": entry["outs"],
            }
        found[stage] = entry
    return found


def _clone(here: Checkout, folder: Path, name: str, revision: str) -> Checkout:
    here.git("clone", "--quiet", "--shared", "--no-checkout", str(here.root.resolve()), str(folder))
    clone = Checkout(folder, folder.with_name(f"{name}-home"))
    clone.git("checkout", "--quiet", here.git("rev-parse", revision).strip())
    return clone


def _require_of_its_code(clone: Checkout, lock: Lock, commit: str) -> None:
    """The lock's digests of files that git keeps are those of the commit's files."""
    if "code" in lock:
        clone.dvc("repro", "--single-item", "--force", "code")
    for stage, entry in lock.items():
        for dep in entry["deps"]:
            path = clone.root / dep["path"]
            if path.is_file() and hashlib.md5(path.read_bytes()).hexdigest() != dep["md5"]:
                raise UserError(
                    f"dvc.lock of {commit[:10]} has another {dep['path']} for {stage} than that commit, so its outputs "
                    "are of other code; run dvc repro."
                )


def _run_both(clones: Mapping[str, Checkout], trial: Mapping[str, Any]) -> None:
    """Run the pipeline in every clone, side by side."""
    started = {}
    for commit, clone in clones.items():
        change_params(clone.root, dict(trial))
        (clone.root / "dvc.lock").unlink()
        started[commit] = clone.start("repro")
    said = {commit: process.communicate()[0] for commit, process in started.items()}
    for commit, process in started.items():
        if process.returncode:
            raise UserError(f"the trial at {commit[:10]} failed, and nothing was recorded:\n{said[commit][-3000:]}")


def _yaml(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _write_lock(path: Path, stages: Lock) -> None:
    with atomic_path(path) as temporary:
        dump_yaml(str(temporary), {"schema": "2.0", "stages": stages})  # as DVC writes it, so that the diff is short


def main() -> None:
    """Say in one sentence what came of it."""
    with mistakes_in_one_sentence():
        base = relock(Path())
        print(f"All outputs are those of {base[:10]}: dvc.lock and digests/ now have today's code; commit them.")


if __name__ == "__main__":
    main()
