"""A real archive on this machine, Orthanc: a study in, SEG and SR stored, queried and fetched back."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from typer.testing import CliRunner

from brainseg.cli import app
from tests.cohort.fakes import without_networks
from tests.scans.dicom_files import STUDY, write_series
from tests.scans.heads import head

ORTHANC = shutil.which("Orthanc", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        (ORTHANC is None or not PLUGIN.exists()) and not os.environ.get("BRAINSEG_REQUIRE_TOOLS"),
        reason="no Orthanc with DICOMweb (Debian's packages: orthanc, orthanc-dicomweb)",
    ),
]
pytest.importorskip("dicomweb_client")


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[str]:
    """The address of its DICOMweb service."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "StorageDirectory": str(tmp_path / "db"),
        "IndexDirectory": str(tmp_path / "db"),
        "HttpPort": port,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [str(PLUGIN)],
    }
    (tmp_path / "orthanc.json").write_text(json.dumps(settings))
    process = subprocess.Popen(
        [ORTHANC, tmp_path / "orthanc.json"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(600):
            try:
                urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                    f"{address}/system", timeout=5
                ).close()
                break
            except OSError:
                assert process.poll() is None, "Orthanc ended"
                time.sleep(0.2)
        yield f"{address}/dicom-web"
    finally:
        process.terminate()
        process.wait(60)


def test_seg_and_sr_are_stored_queried_and_fetched_back(orthanc, tmp_path, monkeypatch):
    from dicomweb_client import DICOMwebClient

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    client = DICOMwebClient(orthanc)
    paths = write_series(tmp_path / "in", head()[0], "FLAIR", PixelSpacing=[1.875, 1.875], SliceThickness=5.0)
    client.store_instances([pydicom.dcmread(path) for path in paths])
    out = tmp_path / "out"
    with without_networks():
        words = ["predict", "--dicomweb", orthanc, "--study", STUDY, "--out", str(out), "--store"]
        ended = CliRunner().invoke(app, words)
    assert ended.exit_code == 0, ended.output
    found = {entry["00080060"]["Value"][0]: entry["0020000E"]["Value"][0] for entry in client.search_for_series(STUDY)}
    assert found.keys() == {"MR", "SEG", "SR"}
    for kind in ("SEG", "SR"):
        (back,) = client.retrieve_series(STUDY, found[kind])
        sent = pydicom.dcmread(out / f"{STUDY}_{kind.lower()}.dcm")
        assert back.SOPInstanceUID == sent.SOPInstanceUID
        if kind == "SEG":
            assert sent.pixel_array.any()
            np.testing.assert_array_equal(back.pixel_array, sent.pixel_array)
        else:
            assert back.ContentSequence == sent.ContentSequence
