"""Studies from an archive and results into it: a server on this machine stands for one."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pydicom
import pytest
from typer.testing import CliRunner

from brainseg.cli import app
from tests.cohort.fakes import without_networks
from tests.scans.dicom_files import STUDY, write_series
from tests.scans.heads import head

pytest.importorskip("dicomweb_client")
TOKEN = "secret"
SEG_SERIES = "1.2.3"


class Server(ThreadingHTTPServer):
    """Holds one study and what was sent to it; answers only who has the token."""

    def __init__(self, images: list[bytes], series: str):
        super().__init__(("127.0.0.1", 0), Handler)
        self.images, self.series, self.stored, self.asked = images, series, [], []
        self.answer, self.kind = b"{}", "MR"
        self.url = f"http://127.0.0.1:{self.server_port}/dicom-web"


class Handler(BaseHTTPRequestHandler):
    """QIDO-RS, WADO-RS and STOW-RS, as far as they are asked for here."""

    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.send_error(401)
        elif re.fullmatch(rf"/dicom-web/studies/{STUDY}/series(\?.*)?", self.path):
            found = [
                {"00080060": {"vr": "CS", "Value": [kind]}, "0020000E": {"vr": "UI", "Value": [uid]}}
                for kind, uid in (("SEG", SEG_SERIES), (self.server.kind, self.server.series))
            ]
            self._say("application/dicom+json", json.dumps(found).encode())
        elif re.fullmatch(rf"/dicom-web/studies/{STUDY}/series/{self.server.series}(\?.*)?", self.path):
            parts = [b"--x\r\nContent-Type: application/dicom\r\n\r\n" + image for image in self.server.images]
            body = b"\r\n".join([*parts, b"--x--\r\n"])
            self._say('multipart/related; type="application/dicom"; boundary=x', body)
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        mark = re.search(r'boundary="?([^";]+)', self.headers["Content-Type"])[1].encode()
        for part in body.split(b"--" + mark)[1:-1]:
            self.server.stored.append(part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n"))
        self._say("application/dicom+json", self.server.answer)

    def _say(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """With the token in the environment."""
    paths = write_series(tmp_path / "pacs", head()[0], "FLAIR", PixelSpacing=[1.875, 1.875], SliceThickness=5.0)
    server = Server([path.read_bytes() for path in paths], str(pydicom.dcmread(paths[0]).SeriesInstanceUID))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("BRAINSEG_DICOMWEB_TOKEN", TOKEN)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def run(*words: str | Path) -> tuple[int, str]:
    """Exit status and all that `brainseg predict` said."""
    with without_networks():
        ended = CliRunner().invoke(app, ["predict", *map(str, words)])
    assert ended.exception is None or isinstance(ended.exception, SystemExit)
    return ended.exit_code, ended.output


def test_a_study_is_fetched_segmented_and_stored_once(archive, tmp_path):
    out = tmp_path / "out"
    words = ["--dicomweb", archive.url, "--study", STUDY, "--out", out]
    status, said = run(*words, "--store")
    assert status == 0, said
    folder = out / "dicomweb" / STUDY
    assert sorted(path.read_bytes() for path in folder.iterdir()) == sorted(archive.images)  # byte for byte
    assert not any(SEG_SERIES in path for path in archive.asked)
    files = [out / f"{STUDY}_seg.dcm", out / f"{STUDY}_sr.dcm"]
    assert [pydicom.dcmread(path).SOPInstanceUID for path in files] == [
        pydicom.dcmread(pydicom.filebase.DicomBytesIO(sent)).SOPInstanceUID for sent in archive.stored
    ]
    asked = len(archive.asked)
    status, said = run(*words)
    assert (status, len(archive.asked), len(archive.stored)) == (0, asked, 2)
    assert "fetched before" in said
    assert "done before" in said


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--study", "1.2"], "need --dicomweb URL"),
        (["--dicomweb", "URL"], "needs --study UID"),
        (["--dicomweb", "URL", "--study", "../1"], "--study ../1 is no UID"),
        (["--dicomweb", "pacs", "--study", "1.2"], "--dicomweb pacs is no address"),
        (["--dicomweb", "URL", "--study", "1.2"], "answers HTTP 404 about the study 1.2"),
        (["--dicomweb", "http://127.0.0.1:1/", "--study", "1.2"], "no server answers at http://127.0.0.1:1"),
    ],
)
def test_what_cannot_be_fetched_is_one_sentence(archive, tmp_path, words, sentence):
    status, said = run(*[archive.url if word == "URL" else word for word in words], "--out", tmp_path / "out")
    assert status == 2
    assert sentence in " ".join(said.split())
    assert not (tmp_path / "out" / "dicomweb" / "1.2").exists()


def test_no_access_no_mr_and_no_uid_are_said(archive, tmp_path, monkeypatch):
    words = ["--dicomweb", archive.url, "--study", STUDY, "--out", tmp_path / "out"]
    archive.kind = "CT"
    status, said = run(*words)
    assert (status, f"has only CT, SEG of the study {STUDY}, expected series of MR" in said) == (2, True)
    archive.kind, archive.series = "MR", "../1"
    status, said = run(*words)
    assert (status, "names a series or an image '../1', expected a UID" in said) == (2, True)
    monkeypatch.delenv("BRAINSEG_DICOMWEB_TOKEN")
    status, said = run(*words)
    assert (status, "refuses access (HTTP 401); put a token into the variable" in said) == (2, True)
    assert not list((tmp_path / "out").rglob("*.dcm"))


def test_what_the_archive_does_not_store_is_said(archive, tmp_path):
    archive.answer = json.dumps(
        {"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [42752]}}]}}
    ).encode()
    status, said = run("--dicomweb", archive.url, "--study", STUDY, "--store", "--out", tmp_path / "out")
    assert (status, "did not store 1 of" in said, "reason 42752" in said) == (2, True, True)
    assert (tmp_path / "out" / f"{STUDY}_seg.dcm").exists()
