"""Graphs in the user's cache: taken only as they were written, made again otherwise, and never needed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from brainseg import cache
from brainseg.compiled import compile_graph, import_openvino
from brainseg.inference.openvino import compile_cached, serialised

INPUT = np.random.default_rng(0).normal(size=(1, 3, 8, 8)).astype(np.float32)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache._say_once.cache_clear()
    return tmp_path / "brainseg"


class Maker:
    """Makes the graph of a fixed convolution, and counts how often."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.made, self.network = 0, torch.nn.Conv2d(3, 1, 3).eval()

    def __call__(self) -> object:
        self.made += 1
        return import_openvino().convert_model(self.network, example_input=torch.from_numpy(INPUT), input=[-1, 3, 8, 8])

    def run(self) -> int:
        """Take the graph as `predict` does, hold its result against torch's, and say how often it was made so far."""
        found = compile_cached("tiny", self)(INPUT)
        expected = self.network(torch.from_numpy(INPUT)).detach().numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
        return self.made


def only_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_a_graph_is_made_once_and_kept_whole(folder, capsys):
    maker = Maker()
    assert [maker.run(), maker.run()] == [1, 1]
    assert only_file(folder).name.startswith("tiny-")
    assert capsys.readouterr() == ("", "")


def flip(content: bytearray, at: int) -> bytearray:
    content[at] ^= 1
    return content


DAMAGE = {
    "a hole of zeros": lambda content: content[:-64] + bytes(32) + content[-32:],
    "cut off": lambda content: content[: len(content) // 2],
    "cut off in its head": lambda content: content[:20],
    "empty": lambda content: b"",
    "longer": lambda content: content + b"\0",
    "a bit of its length": lambda content: flip(content, len(cache._HEAD) + 33),
    "a bit of its digest": lambda content: flip(content, len(cache._HEAD)),
    "a bit of its numbers": lambda content: flip(content, -1),
    "of another format": lambda content: flip(content, 0),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_graph_is_made_again_and_replaced(folder, damage, capsys):
    maker = Maker()
    maker.run()
    path = only_file(folder)
    whole = path.read_bytes()
    path.write_bytes(DAMAGE[damage](bytearray(whole)))
    assert [maker.run(), maker.run()] == [2, 2]
    assert cache.read(path.name) is not None
    assert capsys.readouterr() == ("", "")


def test_no_bit_of_a_kept_graph_can_change_unnoticed(folder):
    cache.write("g", b"structure", b"weights")
    whole = (folder / "g").read_bytes()
    assert cache.read("g") == (b"structure", b"weights")
    for at in range(len(whole)):
        (folder / "g").write_bytes(flip(bytearray(whole), at))
        assert cache.read("g") is None, at


def a_file_for_the_folder(root: Path, _: pytest.MonkeyPatch) -> None:
    (root / "brainseg").write_text("")


def a_file_for_the_cache(root: Path, patch: pytest.MonkeyPatch) -> None:
    (root / "file").write_text("")
    patch.setenv("XDG_CACHE_HOME", str(root / "file"))


def no_home(_: Path, patch: pytest.MonkeyPatch) -> None:
    patch.delenv("XDG_CACHE_HOME")

    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    patch.setattr(Path, "home", fail)


def refused(number: int):
    def spoil(_: Path, patch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise OSError(number, os.strerror(number), "cache/tiny")

        patch.setattr(os, "replace", fail)

    return spoil


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (a_file_for_the_folder, "is in the way"),
        (a_file_for_the_cache, "is in the way"),
        (no_home, "Could not determine home directory"),
        (refused(28), "no space left while writing cache/tiny"),
        (refused(30), "cache/tiny lies on a file system that can only be read"),
        (refused(13), "no permission for cache/tiny"),
    ],
)
def test_a_cache_that_cannot_be_used_is_one_warning_and_costs_time_alone(tmp_path, monkeypatch, capsys, spoil, words):
    spoil(tmp_path, monkeypatch)
    maker = Maker()
    assert [maker.run(), maker.run()] == [1, 2]
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("warning: graphs cannot be kept in the cache (")
    assert words in said.err


def test_a_graph_that_cannot_even_be_written_aside_runs_all_the_same(monkeypatch, capsys):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("Could not write the file: No space left on device (os error 28)")

    monkeypatch.setattr(import_openvino(), "save_model", fail)
    assert Maker().run() == 1
    assert "(no space left while writing a file)" in capsys.readouterr().err


def test_a_shipped_graph_is_kept_compiled_and_compiled_again_when_damaged(folder, monkeypatch):
    parts = serialised(Maker()())
    first = compile_graph(parts)(INPUT).copy()
    path = only_file(folder)
    content = bytearray(path.read_bytes())
    path.write_bytes(flip(content, len(content) // 2))
    again = compile_graph(parts)(INPUT).copy()
    compiled = []
    monkeypatch.setattr("brainseg.compiled._config", lambda: compiled.append(1) or {})
    kept = compile_graph(parts)(INPUT).copy()
    assert len(compiled) == 1, "the damaged file was replaced, and its successor is taken"
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, kept)
    assert only_file(folder) == path


def test_where_nothing_can_be_kept_a_shipped_graph_is_compiled_in_silence(folder, capsys):
    folder.parent.joinpath("brainseg").write_text("a file in the place of the folder")
    assert compile_graph(serialised(Maker()()))(INPUT).shape == (1, 1, 6, 6)
    assert capsys.readouterr() == ("", "")
