"""`brainseg view` as a user types it."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import urllib.request

import pytest
from typer.testing import CliRunner

from brainseg.cli import app
from brainseg.view.server import ViewServer


def view(*arguments):
    return CliRunner().invoke(app, ["view", *map(str, arguments), "--no-open"])


def test_a_mistake_is_one_sentence(out, tmp_path):
    (tmp_path / "other.json").write_text("{}")
    shutil.copy(out / "turned.json", tmp_path)  # without its mask
    mistakes = {
        tmp_path / "nowhere": "does not exist",
        tmp_path / "other.json": "is no <case>.json of brainseg predict",
        out / "turned_mask.nii.gz": "is no <case>.json of brainseg predict",
        tmp_path: "turned_mask.nii.gz does not exist",
    }
    for path, words in mistakes.items():
        result = view(path)
        assert (result.exit_code, result.stdout) == (2, ""), path
        assert result.stderr.startswith("error: ")
        assert result.stderr.count("\n") == 1
        assert words in result.stderr


def test_a_taken_port_is_one_sentence(out):
    with ViewServer({}) as other:
        result = view(out / "turned.json", "--port", other.port)
    assert result.exit_code == 2
    assert (
        result.stderr == f"error: port {other.port} is in use; choose another --port, or leave it out for a free one.\n"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="sends the signal of Ctrl-C")
def test_it_serves_until_ctrl_c_and_ends_quietly(out):
    command = [sys.executable, "-m", "brainseg.cli", "view", str(out / "turned.json"), "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            url = re.fullmatch(r"turned: (http://127\.0\.0\.1:\d+/) \(Ctrl-C ends it\)\n", line)[1]
            with urllib.request.urlopen(url, timeout=10) as page:
                assert b"<title>brainseg</title>" in page.read()
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=20) == ("", "")
        finally:
            process.kill()
    assert process.returncode == 0
