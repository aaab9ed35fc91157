"""The journal: whole lines, in the right order, of one process at a time, through kills and full disks."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys

import pytest

from brainseg.correct import journal as module
from brainseg.correct.journal import Journal
from brainseg.errors import DataError

HEAD = {"case": "a", "shape": [1, 2, 3]}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a_corrected.journal.jsonl"


def test_lines_are_there_again(path):
    journal = Journal(path, HEAD)
    for n in range(3):
        journal.append({"n": n})
    digest = journal.digest
    journal.close()
    again = Journal(path, HEAD)
    assert (again.lines, again.digest) == ([{"n": 0}, {"n": 1}, {"n": 2}], digest)
    again.append({"n": 3})
    again.close()
    assert [json.loads(line) for line in path.read_text().splitlines()] == [HEAD, *({"n": n} for n in range(4))]


def test_a_journal_in_which_nothing_happened_goes(path):
    Journal(path, HEAD).close()
    assert not path.exists()


def test_what_a_kill_left_of_a_line_is_cut_off(path):
    journal = Journal(path, HEAD)
    journal.append({"n": 0})
    journal.close()
    whole = path.read_bytes()
    for torn in (b'{"n":1', b'{"n":1}', b"\xff"):
        path.write_bytes(whole + torn)
        again = Journal(path, HEAD)
        assert again.lines == [{"n": 0}]
        again.close()
        assert path.read_bytes() == whole
    path.write_bytes(whole[:5])  # killed within the first line
    Journal(path, HEAD).close()


def test_a_second_editor_is_told_so_until_the_first_is_dead(path):
    code = (
        "import sys, time; from pathlib import Path; from brainseg.correct.journal import Journal\n"
        f"journal = Journal(Path({str(path)!r}), {HEAD!r}); journal.append({{'n': 0}})\n"
        "print('open', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "open\n"
        with pytest.raises(DataError, match=r"a_corrected\.journal\.jsonl is open in another brainseg edit"):
            Journal(path, HEAD)
        first.send_signal(signal.SIGKILL)
    journal = Journal(path, HEAD)
    assert journal.lines == [{"n": 0}]
    journal.close()


def test_on_a_full_disk_nothing_of_the_line_stays(path, monkeypatch):
    journal = Journal(path, HEAD)
    journal.append({"n": 0})
    before, write = path.read_bytes(), os.write

    def half(handle, text):
        write(handle, text[: len(text) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module.os, "write", half)
    with pytest.raises(OSError, match="No space left") as full:
        journal.append({"n": 1})
    assert full.value.filename == str(path)
    assert (path.read_bytes(), journal.lines) == (before, [{"n": 0}])
    monkeypatch.undo()
    journal.append({"n": 1})
    journal.close()
    assert Journal(path, HEAD).lines == [{"n": 0}, {"n": 1}]


def test_a_journal_that_was_removed_meanwhile_is_written_anew(path):
    journal = Journal(path, HEAD)
    journal.append({"n": 0})
    path.unlink()
    journal.append({"n": 1})
    with pytest.raises(DataError, match="open in another"):
        Journal(path, HEAD)
    path.unlink()
    path.write_text("somebody else's")
    with pytest.raises(FileExistsError, match="another file lies in its place"):
        journal.append({"n": 2})
    assert path.read_text() == "somebody else's"
    path.unlink()
    path.parent.rename(path.parent.with_name("elsewhere"))
    with pytest.raises(FileNotFoundError, match="the folder of the result is gone"):
        journal.append({"n": 2})
    path.parent.with_name("elsewhere").rename(path.parent)
    journal.append({"n": 2})
    journal.close()
    assert Journal(path, HEAD).lines == [{"n": 0}, {"n": 1}, {"n": 2}]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"case":"b","shape":[1,2,3]}\n', r"journal of another mask \(case differ\)"),
        ('[1]\n', "journal of another mask"),
        ('not JSON\n', "line 1 of .* is damaged"),
        ('{"case":"a","shape":[1,2,3]}\nnot JSON\n{}\n', "line 2 of .* is damaged"),
        ("a note of mine, without an end", "is no journal of brainseg edit"),
    ],
)  # fmt: skip
def test_other_files_are_one_sentence_and_stay(path, text, words):
    path.write_text(text)
    for _ in range(2):  # the lock of the first is gone
        with pytest.raises(DataError, match=words):
            Journal(path, HEAD)
    assert path.read_text() == text


def test_a_link_or_a_folder_is_in_the_way(path, tmp_path):
    (tmp_path / "other").write_text("")
    path.symlink_to(tmp_path / "other")
    with pytest.raises(DataError, match="is in the way"):
        Journal(path, HEAD)
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match="is in the way"):
        Journal(path, HEAD)
