"""Whatever lies where `predict` is to write: what was there before is there afterwards, with its bytes."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brainseg.cohort.outputs import SUMMARY
from brainseg.errors import UserError
from brainseg.terminal import sentence
from tests.cohort.fakes import predict
from tests.cohort.files import NIFTI, TIF, snapshot

EXAMPLES = int(os.environ.get("BRAINSEG_EXAMPLES", "40"))
NAMES = (
    "a", "A", "b", "IM", "TCGA_X", "\u00e9", "e\u0301", "=1+1", "-x", "--out", "a b", "a_mask", "a.json",
    "a_mask.nii.gz", SUMMARY, ".summary.json", ".hidden", "\x1b[31mred", "two\nlines", "n" * 200, "n" * 201, "n" * 240,
    os.fsdecode(b"\xff\xfe"), "\\", "...", "\u202e",
)  # fmt: skip
names = st.sampled_from(NAMES)
likely = st.sampled_from(["a", "b", "IM", "TCGA_X"])
prefixes = st.sampled_from(["", "a_", "b_", "IM_", "TCGA_X_", ".._", "._", "home_"])
endings = st.sampled_from(
    [".json", "_mask.nii.gz", "_overlay.png", "_error.txt", "_probability.nii.gz", "/notes.txt", "/a_1_mask.tif", ""]
)
places = st.one_of(
    st.builds("{}{}".format, st.one_of(likely, likely, likely, names), endings),
    st.sampled_from([SUMMARY, ".summary.json", ".brainseg-abcdefgh/brainseg.lock", "notes/n"]),
)


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Any]:
    """Inputs in `in`, things of the user's in `out` and `home`, and what is typed where."""
    return {
        "folders": draw(
            st.lists(st.tuples(st.one_of(likely, likely, likely, names), prefixes, st.integers(1, 3)), max_size=3)
        ),
        "niftis": draw(st.lists(st.one_of(likely, likely, likely, names), max_size=2)),
        "loose": draw(st.one_of(st.none(), prefixes)),
        "strangers": draw(st.lists(st.tuples(st.sampled_from(["out", "home", "in"]), places), max_size=3)),
        "links": draw(st.lists(st.tuples(st.sampled_from(["out", "in"]), likely, likely), max_size=2)),
        "cwd": draw(st.sampled_from([".", "in", "in/sub"])),
        "typed": draw(st.sampled_from(["all", "in", "each", "..", ".", "slice"])),
        "out": draw(st.sampled_from(["out", "out", "out", "home", "in", "in/a", "out-link", "new/deep", ".", ".."])),
        "overlay": draw(st.booleans()),
        "fault": draw(st.one_of(st.none(), st.tuples(st.integers(0, 30), st.sampled_from(["full", "kill"])))),
        "after": draw(st.sampled_from(["nothing", "edit", "delete", "notes"])),
    }


def build(root: Path, world: dict[str, Any]) -> None:
    """Make the files; what the file system refuses is left out."""
    for folder in ("in/sub", "out", "home"):
        (root / folder).mkdir(parents=True)
    (root / "out-link").symlink_to("out")
    for name, prefix, count in world["folders"]:
        for number in range(1, count + 1):
            put(root / "in" / name / f"{prefix}{number}.tif", TIF)
    for name in world["niftis"]:
        put(root / "in" / f"{name}.nii", NIFTI)
    if world["loose"] is not None:
        put(root / "in" / f"{world['loose']}1.tif", TIF)
    for place, name in world["strangers"]:
        put(root / place / name, f"the user's {name!a}".encode())
    for place, name, target in world["links"]:
        with contextlib.suppress(OSError):
            (root / place / name).symlink_to(root / ("in" if place == "out" else "out") / target)


def put(path: Path, content: bytes) -> None:
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(path):
            path.write_bytes(content)


def typed(world: dict[str, Any]) -> list[Path]:
    """The inputs as a user in the current folder names them."""
    up = Path(os.path.relpath(world["root"] / "in"))
    match world["typed"]:
        case "all":
            return [*sorted(up.glob("*.nii")), up]
        case "each":
            return sorted(path for path in up.iterdir() if path.is_dir() or path.suffix == ".nii")
        case "slice":
            return sorted(up.rglob("*.tif"))[:2]
        case "in":
            return [up]
        case word:
            return [Path(word)]


def require_kept(before: dict[str, Any], root: Path) -> None:
    after = snapshot(root)
    assert {name: after.get(name, "gone") for name in before} == before


def attempt(world: dict[str, Any], **changes: Any) -> dict[str, str] | None:
    """The outcomes' statuses; None where the run was refused by one sentence."""
    out = world["root"] / world["out"] if world["out"] not in (".", "..") else Path(world["out"])
    try:
        found = predict(world["inputs"], out, overlay=world["overlay"], **changes)
    except (UserError, OSError) as error:
        if sentence(error) is None:
            raise
        return None
    assert not [outcome.error for outcome in found.values() if "a defect of" in (outcome.error or "")]
    return {name: outcome.status for name, outcome in found.items()}


@contextlib.contextmanager
def fault(at: int, kind: str) -> Iterator[None]:
    """The write number `at`, and all that follow, fail: the disk is full, or the process is dead."""
    count = 0

    def failing(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            if count > at:
                raise KeyboardInterrupt if kind == "kill" else OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return original(*args, **kwargs)

        return call

    with contextlib.ExitStack() as stack:
        writes = [(os, name) for name in ("link", "replace", "mkdir", "rmdir", "unlink")]
        for owner, name in [*writes, (Path, "write_bytes"), (Path, "write_text")]:
            stack.enter_context(mock.patch.object(owner, name, failing(getattr(owner, name))))
        if kind == "kill":  # a dead process removes nothing
            stack.enter_context(mock.patch.object(shutil, "rmtree", return_value=None))
        stack.enter_context(contextlib.suppress(KeyboardInterrupt))
        yield


def interfere(world: dict[str, Any], before: dict[str, Any]) -> None:
    """The user does something to a file that `predict` wrote, or puts notes beside it."""
    root = world["root"]
    written = sorted(name for name, kept in snapshot(root).items() if name not in before and isinstance(kept, bytes))
    if world["after"] == "delete":  # without its record a result is nobody's, and in the way
        written = [name for name in written if not name.endswith(".json")]
    if not written:
        return
    path = root / written[len(written) // 2]
    match world["after"]:
        case "edit":
            path.write_bytes(path.read_bytes() + b" edited")
        case "delete":
            path.unlink()
        case "notes":
            path.with_name("notes by the user").write_bytes(b"mine")


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(worlds())
def test_every_file_that_was_there_is_there_with_its_bytes(world: dict[str, Any]):
    with made(world) as root:
        undisturbed = attempt(world)
        require_kept(world["before"], root)
    with made(world) as root:
        if world["fault"] is not None:
            with fault(*world["fault"]):
                attempt(world)
            require_kept(world["before"], root)
        first = attempt(world)
        require_kept(world["before"], root)
        assert finished(first) == finished(undisturbed)  # wherever it was killed, the same command goes on
        assert not [name for name in snapshot(root).keys() - world["before"].keys() if ".brainseg-" in name]
        if first is not None:
            _go_on(world, root, first)


@contextlib.contextmanager
def made(world: dict[str, Any]) -> Iterator[Path]:
    """The world's files in a folder of their own, with the current folder in it."""
    home = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        root = world["root"] = Path(folder).resolve() / "user"  # so that .. is in here, too
        build(root, world)
        world["before"] = snapshot(root)
        os.chdir(root / world["cwd"])
        world["inputs"] = typed(world)  # before results lie among them
        try:
            yield root
        finally:
            os.chdir(home)


def finished(statuses: dict[str, str] | None) -> dict[str, str] | None:
    """Done now or before is the same."""
    return statuses and {name: "done" if status == "skipped" else status for name, status in statuses.items()}


def _go_on(world: dict[str, Any], root: Path, first: dict[str, str]) -> None:
    """The same again does nothing; after the user's interference it replaces what is its own, or refuses."""
    after = snapshot(root)
    assert finished(attempt(world)) == finished(first)
    assert {name: kept for name, kept in snapshot(root).items() if not name.endswith((SUMMARY, ".summary.json"))} == {
        name: kept for name, kept in after.items() if not name.endswith((SUMMARY, ".summary.json"))
    }
    after = snapshot(root)
    interfere(world, world["before"])
    now = snapshot(root)
    theirs = {name: kept for name, kept in now.items() if name in world["before"] or after.get(name, "new") != kept}
    again = attempt(world, redo=True)
    require_kept(theirs, root)
    if world["after"] in ("nothing", "delete"):
        assert finished(again) == finished(first)
        assert after.keys() <= snapshot(root).keys()
