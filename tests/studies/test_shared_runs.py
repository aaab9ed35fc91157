"""Folds of one cross-validation in two clones that share by a git remote and a folder for DVC."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from brainseg.errors import DataError
from studies import exchange
from tests.cohort.processes import wait_until
from tests.pipeline import ROOT, Checkout, begin, done, set_up


def clone(origin: Checkout, folder: Path) -> Checkout:
    """A clone as a user makes it on another machine, with the DVC remote that origin's config names."""
    folder.mkdir()
    subprocess.run(["git", "clone", "-q", origin.root, folder / "checkout"], check=True, env=origin.environment)
    return Checkout(folder / "checkout", folder / "home")


def study(checkout: Checkout, *arguments: str) -> subprocess.Popen[str]:
    return begin("studies.crossval", *arguments, cwd=checkout.root, environment=checkout.environment)


@pytest.mark.slow
def test_two_clones_share_their_folds_and_one_that_was_killed_goes_on(tmp_path):
    origin = set_up(tmp_path / "origin")
    shutil.copytree(ROOT / "studies", origin.root / "studies", ignore=shutil.ignore_patterns("__pycache__", "folds"))
    origin.dvc("remote", "add", "-d", "shared", str(tmp_path / "shared"))
    origin.commit("studies, and where DVC shares")
    first, second = clone(origin, tmp_path / "first"), clone(origin, tmp_path / "second")
    share = ("--folds", "2", "--remote", "origin")
    done(study(first, "run", "--fold", "0", *share), 1800)
    killed = study(second, "run", "--fold", "1", *share)
    wait_until(lambda: killed.poll() is not None or any(second.root.glob("trained/*")), seconds=900)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert "crossval-1" not in second.dvc("exp", "list", "--all-commits", "--name-only")
    done(study(second, "run", "--fold", "1", *share), 1800)
    assert "fold 0 is done already; dvc exp remove" in done(study(second, "run", "--fold", "0", *share), 1800)
    done(study(first, "gather", "--remote", "origin"), 1800)
    table = pd.read_csv(first.root / "metrics" / "crossval.csv")
    assert sorted(table["fold"].unique()) == [0, 1]
    assert table.query("model == 'ensemble'")["patient"].nunique() == 8
    third = clone(origin, tmp_path / "third")
    done(study(third, "gather", "--remote", "origin"), 1800)
    assert (third.root / "metrics" / "crossval.csv").read_bytes() == (
        first.root / "metrics" / "crossval.csv"
    ).read_bytes()


def test_a_clone_that_cannot_share_says_so_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for command in (["git", "init", "-q"], ["git", "remote", "add", "origin", "."], [*exchange._DVC, "init", "-q"]):
        subprocess.run(command, check=True)
    with pytest.raises(DataError, match=r"--remote lab is no git remote of this clone \(origin\)"):
        exchange.require("lab")
    with pytest.raises(DataError, match="DVC has no default remote to share by; name one: dvc remote add -d"):
        exchange.require("origin")
    subprocess.run([*exchange._DVC, "remote", "add", "-d", "shared", str(tmp_path / "shared")], check=True)
    exchange.require("origin")
