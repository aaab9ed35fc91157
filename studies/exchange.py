"""Experiments shared between clones: by a git remote, with what DVC keeps of them by DVC's default remote."""

from __future__ import annotations

import subprocess
import sys

from brainseg.errors import DataError


def require(remote: str) -> None:
    """Refuse a clone that cannot share before it computes anything.

    Raises:
        DataError: there is no git remote of that name, or DVC has no default remote.
    """
    known = _said("git", "remote").split()
    if remote not in known:
        raise DataError(f"--remote {remote} is no git remote of this clone ({', '.join(known) or 'it has none'}).")
    if not _said(*_DVC, "config", "core.remote", check=False).strip():
        raise DataError("DVC has no default remote to share by; name one: dvc remote add -d shared FOLDER-OR-URL.")


def fetch(remote: str, prefix: str) -> None:
    """Take the experiments that others have shared, by name; what DVC keeps of them stays where it is.

    Args:
        remote: of git.
        prefix: of the experiments' names; others are left alone.

    Raises:
        DataError: an experiment cannot be taken, as where one of the same name is here.
    """
    here = set(_said(*_DVC, "exp", "list", "--all-commits", "--name-only").split())
    there = set(_said(*_DVC, "exp", "list", remote, "--all-commits", "--name-only").split())
    for name in sorted(name for name in there - here if name.startswith(prefix)):
        _said(*_DVC, "exp", "pull", "--no-cache", remote, name)


def share(remote: str, name: str) -> None:
    """Give an experiment of this clone to others; what is there already is not sent again.

    Raises:
        DataError: a remote does not take it.
    """
    _said(*_DVC, "exp", "push", remote, name)


_DVC = (sys.executable, "-m", "dvc")


def _said(*command: str, check: bool = True) -> str:
    run = subprocess.run(command, capture_output=True, text=True)
    if check and run.returncode:
        last = (run.stderr.strip() or run.stdout.strip() or "it said nothing").splitlines()[-1]
        raise DataError(f"{' '.join(command).replace(sys.executable + ' -m ', '')} failed: {last}")
    return run.stdout
