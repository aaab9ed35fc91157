"""What reaches the terminal: one sentence for what a user can mend, and no character that steers the terminal."""

from __future__ import annotations

import errno
import io
import os
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainseg.errors import DatasetError, ParamsError, UserError
from brainseg.terminal import mistakes_in_one_sentence, printable, say, sentence

ESCAPE = "\x1b[2J\x1b]0;owned\x07"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EROFS, "masks/a.tif lies on a file system that can only be read; choose another place"),
        (errno.ENOSPC, "no space left while writing masks/a.tif; free some space"),
        (errno.EDQUOT, "no space left while writing masks/a.tif; free some space"),
        (errno.EFBIG, "masks/a.tif grew larger than its file system"),
        (errno.ENAMETOOLONG, "the name masks/a.tif is longer than the file system takes"),
        (errno.ELOOP, "masks/a.tif is a symbolic link that leads back to itself"),
        (errno.EMFILE, "too many files are open at once to open masks/a.tif; raise `ulimit -n`"),
        (errno.EIO, "the disk or network drive of masks/a.tif failed .Input/output error"),
        (errno.EACCES, "no permission for masks/a.tif"),
        (errno.EPERM, "no permission for masks/a.tif"),
        (errno.ENOTDIR, "masks/a.tif is in the way .Not a directory"),
    ],
)
def test_what_the_system_refuses_is_one_sentence_that_names_the_file(number, words):
    from_name = sentence(OSError(number, os.strerror(number), "masks/a.tif"))
    assert from_name is not None
    assert re.search(words, from_name), from_name
    assert sentence(OSError(number, os.strerror(number), Path("masks/a.tif"))) == from_name
    assert sentence(OSError(number, os.strerror(number), b"masks/a.tif")) == from_name
    nameless = sentence(OSError(number, os.strerror(number)))
    assert nameless is not None
    assert "a file" in nameless
    assert "None" not in nameless


def test_of_a_rename_the_new_name_is_said():
    said = sentence(OSError(errno.EROFS, "Read-only file system", ".a.tmp", None, "a.tif"))
    assert said is not None
    assert said.startswith("a.tif lies on")


def test_a_name_that_is_too_long_is_shown_by_its_ends(tmp_path):
    with pytest.raises(OSError, match="too long") as caught:
        (tmp_path / ("x" * 5000)).open()
    said = sentence(caught.value)
    assert said is not None
    assert len(said) < 250
    assert "..." in said


def test_a_link_in_circles_is_said(tmp_path):
    (tmp_path / "a").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links") as caught:
        (tmp_path / "a").open()
    assert (
        sentence(caught.value) == f"{tmp_path}/a is a symbolic link that leads back to itself; remove or mend the link."
    )


def test_libraries_that_give_the_system_s_number_as_text_are_understood():
    said = sentence(RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"))
    assert said == "no space left while writing a file; free some space, or choose another place, and run again."


@pytest.mark.parametrize(
    "error", [ValueError("x"), FileNotFoundError(2, "no", "f"), BrokenPipeError(32, "x"), OSError("x")]
)
def test_a_defect_keeps_its_traceback(error):
    assert sentence(error) is None
    with pytest.raises(type(error)), mistakes_in_one_sentence():
        raise error


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("TCGA_CS_4941, µ = 3 ml, 脳", "TCGA_CS_4941, µ = 3 ml, 脳"),
        (ESCAPE, r"\x1b[2J\x1b]0;owned\x07"),
        ("a\nb\rc\td", r"a\x0ab\x0dc\x09d"),
        ("fdp.\u202eexe", r"fdp.\u202eexe"),
        (b"caf\xe9".decode("utf-8", "surrogateescape"), r"caf\xe9"),
        ("\U000e0001", r"\U000e0001"),
    ],
)
def test_what_steers_a_terminal_is_shown_by_its_number(text, shown):
    assert printable(text) == shown


@given(st.text())
def test_whatever_the_text_nothing_unprintable_is_left(text):
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown
    shown.encode()  # no stand-ins for bytes are left


def test_a_stream_that_shows_ascii_alone_gets_numbers_instead_of_an_error(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr(sys, "stdout", stream)
    say("µ and \udce9, first line\nsecond line")
    stream.flush()
    assert stream.buffer.getvalue() == b"\\xb5 and \\xe9, first line\nsecond line\n"


def test_a_sentence_stays_one_line_whatever_the_name_in_it(capsys):
    with pytest.raises(SystemExit) as ended, mistakes_in_one_sentence():
        raise UserError(f"{ESCAPE}\nerror: all is lost does not exist")
    assert ended.value.code == 2
    assert capsys.readouterr().err == ("error: \\x1b[2J\\x1b]0;owned\\x07\\x0aerror: all is lost does not exist\n")


@pytest.mark.parametrize("kind", [DatasetError, ParamsError])
def test_several_problems_are_a_line_each(kind):
    error = kind("raw is not fit:", ["one\nline", "two"])
    assert sentence(error) == "raw is not fit:\n  - one\\x0aline\n  - two"
    assert str(error) == "raw is not fit:\n  - one\nline\n  - two"
    assert error.problems == ["one\nline", "two"]


OPENVINO = "Exception from src/inference/src/cpp/core.cpp:117:\nException from src/inference/src/dev/plugin.cpp:54:\n"


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (RuntimeError(f"{OPENVINO}std::bad_alloc\n\n\n"), "std::bad_alloc"),
        (RuntimeError(f"{OPENVINO}can't alloc\n\n\n"), "can't alloc"),
        (MemoryError("Unable to allocate 1.2 GiB for an array"), "Unable to allocate 1.2 GiB for an array"),
        (ImportError("libtorch_cpu.so: failed to map segment"), "libtorch_cpu.so: failed to map segment"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "[Errno 12] Cannot allocate memory"),
        (
            RuntimeError(
                "The following operation failed in the TorchScript interpreter.\nTraceback of TorchScript:\n"
                "RuntimeError: [enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"
            ),
            "RuntimeError: [enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory",
        ),
    ],
)  # fmt: skip
def test_what_libraries_say_where_memory_is_short_is_one_sentence(error, shown):
    assert sentence(error) == f"memory ran out ({shown}); close other programs, or take a machine with more."


@pytest.mark.parametrize("words", ["can't allocate a slot", "cannot allocated", "the allocation of roles"])
def test_other_words_are_not_taken_for_memory(words):
    assert sentence(ValueError(words)) is None
