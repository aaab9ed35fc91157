"""`make relock`: what it compares, what it records, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from brainseg.errors import UserError
from studies.relock import differences, relock, renewed
from tests.pipeline import PAGE, Checkout, set_up


def entry(*outs: tuple[str, str]) -> dict[str, Any]:
    return {"outs": [{"path": path, "md5": digest} for path, digest in outs]}


def test_outputs_are_compared_by_stage_but_for_the_page_and_the_digests_of_code() -> None:
    before = {
        "code": entry(("digests/a.txt", "1")),
        "a": entry(("x", "1"), ("y", "1")),
        "b": entry((PAGE, "1"), ("z", "1")),
    }
    assert differences(before, before) == {}
    now = {
        "code": entry(("digests/a.txt", "2")),
        "a": entry(("x", "1"), ("y", "1")),
        "b": entry((PAGE, "2"), ("z", "1")),
    }
    assert differences(before, now) == {}
    assert differences(before, now | {"a": entry(("x", "2"), ("w", "1"))}) == {"a": ["w", "x", "y"]}
    assert differences(before, {"a": before["a"]}) == {"b": ["z"]}


def test_a_lock_gets_todays_code_and_keeps_its_outputs_and_parameters() -> None:
    code = {"cmd": "c", "deps": [], "outs": [{"path": "digests/b.txt", "md5": "new", "size": 1}]}
    first = {"cmd": "a", "deps": [], "outs": [{"path": "data", "md5": "d.dir", "nfiles": 2}]}
    old = {
        "cmd": "old",
        "deps": [{"path": "brainseg/one.py", "md5": "x"}],
        "params": {"params.yaml": {"seed": 1}},
        "outs": [{"path": "out", "md5": "o"}],
    }
    pipeline = {
        "code": {"cmd": "c"},
        "a": {"cmd": "a", "deps": []},
        "b": {"cmd": "b", "deps": ["digests/b.txt", "data"], "params": ["split.by", "seed"], "outs": ["out"]},
    }
    found = renewed({"code": code, "b": old, "a": first}, pipeline, {"seed": 1, "split": {"by": "patient"}})
    assert list(found) == ["code", "a", "b"]
    assert found["b"] == {
        "cmd": "b",
        "deps": [first["outs"][0], code["outs"][0]],
        "params": {"params.yaml": {"seed": 1, "split.by": "patient"}},
        "outs": old["outs"],
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The first two stages, run and committed."""
    made = set_up(tmp_path_factory.mktemp("run"), {"download": {"phantom": {"patients": 2, "slices": 12, "size": 64}}})
    path = made.root / "dvc.yaml"
    stages = yaml.safe_load(path.read_text())["stages"]
    stages["code"]["outs"] = [{"digests/download.txt": {"cache": False}}]
    path.write_text(yaml.safe_dump({"stages": {name: stages[name] for name in ("code", "download")}}))
    made.dvc("repro")
    made.commit("results")
    return made


@pytest.fixture
def checkout(run: Checkout, tmp_path: Path) -> Checkout:
    """A copy of it, to change."""
    return run.copy(tmp_path)


def change(checkout: Checkout, name: str, old: str, new: str, commit: bool = True) -> None:
    path = checkout.root / "brainseg" / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    if commit:
        checkout.commit("a change")


@pytest.mark.slow
def test_code_that_writes_the_same_is_recorded_and_other_code_is_refused(checkout: Checkout) -> None:
    change(checkout, "data/phantom.py", "COIL_SCALE", "SCALE_OF_THE_COIL")
    base = checkout.git("rev-parse", "HEAD~1").strip()
    lock = checkout.lock()
    assert relock(checkout.root, {"seed": 3}) == base
    assert "SCALE_OF_THE_COIL" in (checkout.root / "digests" / "download.txt").read_text()
    assert checkout.lock()["download"]["outs"] == lock["download"]["outs"]
    assert checkout.lock()["download"]["deps"] != lock["download"]["deps"]
    assert "up to date" in checkout.dvc("status")
    checkout.commit("relocked")

    change(checkout, "data/phantom.py", "SCALE_OF_THE_COIL = ", "SCALE_OF_THE_COIL = 0.5 * ")
    before = checkout.lock(), checkout.git("status", "--short")
    with pytest.raises(
        UserError, match=r"^download does not write what it wrote at \w{10} \(data/raw\); nothing was rec"
    ):
        relock(checkout.root, {"seed": 3})
    assert (checkout.lock(), checkout.git("status", "--short")) == before


def test_code_that_is_not_committed_is_refused(checkout: Checkout) -> None:
    change(checkout, "data/phantom.py", "COIL_SCALE", "SCALE_OF_THE_COIL", commit=False)
    with pytest.raises(
        UserError, match=r"^brainseg/data/phantom\.py is not committed; commit it, then run make relock"
    ):
        relock(checkout.root)


def test_a_lock_that_is_not_of_its_commits_code_is_refused(checkout: Checkout) -> None:
    change(checkout, "data/phantom.py", "COIL_SCALE = ", "COIL_SCALE = 0.5 * ", commit=False)
    path = checkout.root / "dvc.lock"
    path.write_text(path.read_text().replace("schema: '2.0'", 'schema: "2.0"'))
    checkout.commit("a lock beside other code")
    with pytest.raises(UserError, match=r"has another digests/download\.txt for download than that commit"):
        relock(checkout.root)
