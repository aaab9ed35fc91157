"""`brainseg edit` as a user types it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from brainseg.cli import app
from brainseg.edit.answers import Answers
from brainseg.edit.server import EditServer
from tests.correct.made import around


@pytest.fixture
def edit(monkeypatch):
    """Run the command until it serves."""
    monkeypatch.setattr(Answers, "of", lambda *_: around)
    monkeypatch.setattr(EditServer, "serve_forever", lambda server: (_ for _ in ()).throw(KeyboardInterrupt))
    return lambda *arguments: CliRunner().invoke(app, ["edit", *map(str, arguments), "--no-open"])


def test_a_mistake_is_one_sentence(edit, out, tmp_path):
    (tmp_path / "empty").mkdir()
    mistakes = {
        tmp_path / "nowhere": "does not exist",
        tmp_path / "empty": "holds no <case>.json",
        out / "turned_mask.nii.gz": "is no <case>.json of brainseg predict",
    }
    for path, words in mistakes.items():
        result = edit(path)
        assert (result.exit_code, result.stdout) == (2, ""), path
        assert result.stderr.count("\n") == 1
        assert words in result.stderr


def test_it_serves_one_or_all_and_leaves_nothing_where_nothing_was_done(edit, out):
    before = sorted(path.name for path in out.rglob("*"))
    assert edit(out / "turned.json").stdout.startswith("turned: http://127.0.0.1:")
    assert edit(out).stdout.startswith("3 cases: http://127.0.0.1:")
    assert sorted(path.name for path in out.rglob("*")) == before


def test_what_is_passed_over_is_said(edit, out):
    said = json.loads((out / "study.json").read_text())
    (out / "study.json").write_text(json.dumps(said | {"unfinished": True}))
    (out / "tifs" / "tifs_3_mask.tif").unlink()
    result = edit(out)
    assert result.exit_code == 0
    left = [line for line in result.stdout.splitlines() if line.startswith("left: ")]
    assert [words in line for words, line in zip(("unfinished", "does not exist"), left, strict=True)] == [True, True]
    result = edit(out / "tifs.json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "tifs_3_mask.tif does not exist" in result.stderr
