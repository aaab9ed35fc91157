"""The editor's server: its own page alone can write, only to that result's files, and no refusal loses anything."""

from __future__ import annotations

import errno
import http.client
import json
import os
import re
import shutil
from importlib.resources import files

import numpy as np
import pytest

from brainseg.correct import journal
from brainseg.edit.desk import Desk, find_results
from brainseg.edit.server import MOST_BODY, PAGE, REQUESTS
from brainseg.errors import DataError
from brainseg.view.server import ADDRESS
from tests.correct.made import FLAIR, SIDE, N, around


def ask(server, path, content=None, method="POST", **headers):
    """Status and body; as the page asks, with the headers changed (None leaves one out)."""
    body = content if isinstance(content, bytes) else json.dumps({} if content is None else content).encode()
    usual = {
        "Host": f"{ADDRESS}:{server.port}",
        "Origin": f"http://{ADDRESS}:{server.port}",
        "X-Brainseg-Token": server.token,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
    }
    connection = http.client.HTTPConnection(ADDRESS, server.port, timeout=20)
    connection.putrequest(method, path, skip_host=True)
    for name, value in (usual | {name.replace("_", "-"): value for name, value in headers.items()}).items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders(body if method == "POST" else None)
    response = connection.getresponse()
    said = response.read()
    connection.close()
    return response.status, said if method == "GET" else json.loads(said)


def act(server, index, after, **step):
    return ask(server, "/act", {"case": index, "after": after, "step": step})


def everything(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_asked_for_is_done_and_saved(serve, out):
    server, end = serve(out / "turned.json", "Jane Doe")
    status, case = ask(server, "/now")
    assert (status, case["case"], case["annotator"], case["lines"]) == (200, "turned", "Jane Doe", 0)
    assert (case["height"], case["width"], len(case["numbers"])) == (SIDE, SIDE, N)
    status, said = act(server, 0, 0, do="click", slice=1, row=30, column=30, tumour=False)
    assert (status, said["lines"], said["clicks"][0]["row"], said["saved"]) == (200, 1, 30, False)
    status, said = ask(server, "/save", {"case": 0, "after": 1, "annotator": "Jane Doe"})
    assert (status, said["saved"]) == (200, True)
    end()
    assert json.loads((out / "turned_corrected.json").read_text())["annotator"] == "Jane Doe"
    server, _ = serve(out / "turned.json")
    assert ask(server, "/now")[1]["lines"] == 1


def test_slices_are_grey_values_of_the_open_case(serve, out):
    server, _ = serve(out / "tifs.json")
    status, pixels = ask(server, "/0/flair/2", method="GET")
    assert status == 200
    seen = np.frombuffer(pixels, np.uint8).reshape(SIDE, SIDE)
    assert np.corrcoef(seen.ravel(), FLAIR[2].ravel())[0, 1] > 0.99
    for path in ("/1/flair/2", "/0/t2/2", f"/0/flair/{N}", "/0/flair/-1", "/0/flair/2/", "/0/../0/flair/2", "/now"):
        assert ask(server, path, method="GET")[0] == 404, path
    for path in PAGE:
        assert ask(server, path, method="GET")[0] == 200
    assert server.token.encode() in ask(server, "/", method="GET")[1]


def test_only_its_own_page_can_write(serve, out):
    server, _ = serve(out)
    before = everything(out)
    elsewhere = {"case": 0, "after": 0, "step": {"do": "clear", "slice": 1}}
    refused = [
        {"Origin": "https://evil.example"},
        {"Origin": None},
        {"Origin": "null"},
        {"Origin": f"http://{ADDRESS}:{server.port + 1}"},
        {"Host": "evil.example"},
        {"Host": f"evil.example:{server.port}"},
        {"X_Brainseg_Token": None, "X-Brainseg-Token": None},
        {"X-Brainseg-Token": "x" * len(server.token)},
        {"Sec_Fetch_Site": "cross-site"},
    ]
    for headers in refused:
        for path in REQUESTS:
            status, said = ask(server, path, elsewhere, **headers)
            assert status == 403, headers
            assert "only the page of this brainseg edit" in said["error"]
    assert ask(server, "/act", elsewhere, **{"Content-Type": "text/plain"})[0] == 415  # what a form could send
    assert ask(server, "/act", elsewhere, **{"Content-Length": None})[0] == 411
    assert ask(server, "/act", elsewhere, **{"Content-Length": str(MOST_BODY + 1)})[0] == 413
    assert ask(server, "/nothing", elsewhere)[0] == 404
    assert everything(out) == before
    assert ask(server, "/now")[1]["lines"] == 0


@pytest.mark.parametrize(
    "content",
    [
        b"not JSON",
        b"\xff",
        b"[" * 10_000,
        [],
        {"case": 0, "after": 0},
        {"case": "0", "after": 0, "step": {"do": "clear", "slice": 1}},
        {"case": 0, "after": 0, "step": {"do": "clear", "slice": 1}, "path": "/tmp"},
        {"case": 0, "after": 0, "step": {"do": "remove", "slice": 1}},
        {"case": 0, "after": 0, "step": {"do": "undo", "slice": 1}},
    ],
)
def test_what_is_no_request_is_refused(serve, out, content):
    server, _ = serve(out / "turned.json")
    status, said = ask(server, "/act", content)
    assert (status, said["error"]) == (400, "this is no request of the page; load it again.")


def test_an_action_without_meaning_is_one_sentence(serve, out):
    server, _ = serve(out / "turned.json")
    assert act(server, 0, 0, do="undo") == (422, {"error": "there is nothing to undo."})
    assert act(server, 0, 0, do="clear", slice=N)[0] == 422
    status, said = ask(server, "/save", {"case": 0, "after": 0, "annotator": "Jane"})
    assert (status, said["error"]) == (422, "nothing was corrected or accepted yet, so there is nothing to save.")
    act(server, 0, 0, do="clear", slice=1)
    assert "type a name" in ask(server, "/save", {"case": 0, "after": 1, "annotator": ""})[1]["error"]


def test_a_second_window_is_told_that_the_first_did_something(serve, out):
    server, _ = serve(out)
    assert act(server, 0, 0, do="clear", slice=1)[0] == 200
    status, said = act(server, 0, 0, do="clear", slice=2)
    assert status == 409
    assert "in another window" in said["error"]
    ask(server, "/open", {"case": 1})
    assert act(server, 0, 1, do="clear", slice=2)[0] == 409


def test_a_second_editor_is_told_so_and_takes_the_next_case(serve, out):
    _, end = serve(out / "turned.json")
    with pytest.raises(DataError, match="is open in another brainseg edit"):
        Desk(find_results(out / "turned.json")[0], "", lambda *_: around).begin()
    second, _ = serve(out)
    index = [row["case"] for row in ask(second, "/now")[1]["cases"]].index("turned")
    status, said = ask(second, "/open", {"case": index})
    assert status == 422
    assert "is open in another brainseg edit" in said["error"]
    assert ask(second, "/now")[1]["case"] != "turned"  # the other stays open
    end()
    assert ask(second, "/open", {"case": index})[1]["case"] == "turned"


def test_a_full_disk_is_said_and_nothing_is_lost(serve, out, monkeypatch):
    server, _ = serve(out / "turned.json")
    act(server, 0, 0, do="clear", slice=1)
    before = everything(out)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(journal.os, "fsync", full)
    status, said = act(server, 0, 1, do="clear", slice=2)
    assert status == 500
    assert "No space left" in said["error"] or "full" in said["error"]
    assert everything(out) == before
    monkeypatch.undo()
    status, said = act(server, 0, 1, do="clear", slice=2)
    assert (status, said["lines"]) == (200, 2)


def test_a_scan_that_vanished_is_said_and_the_open_case_can_be_saved(serve, out, predicted, tmp_path):
    shutil.copytree(predicted.parent, tmp_path / "all")
    folder = tmp_path / "all" / "out"
    for name in ("study", "tifs", "turned"):
        path = folder / f"{name}.json"
        path.write_text(path.read_text().replace(str(predicted.parent), str(tmp_path / "all")))
    server, _ = serve(folder)
    cases = ask(server, "/now")[1]["cases"]
    assert [row["case"] for row in cases] == ["study", "tifs", "turned"]
    act(server, 0, 0, do="clear", slice=1)
    shutil.rmtree(tmp_path / "all" / "tifs")
    shutil.rmtree(tmp_path / "all" / "study")
    status, said = ask(server, "/open", {"case": 1})
    assert status == 422
    assert "tifs, which does not exist, and it is not near the result either; put it back" in said["error"]
    assert ask(server, "/save", {"case": 0, "after": 1, "annotator": "Jane Doe"})[1]["saved"]
    assert (folder / "study_corrected.nii.gz").is_file()


def test_the_least_trusted_case_that_is_not_done_comes_first(serve, out):
    for name, dice in (("turned", 0.3), ("study", 0.9), ("tifs", 0.5)):
        path = out / f"{name}.json"
        said = json.loads(path.read_text())
        said["trust"]["dice"] = dice
        path.write_text(json.dumps(said))
    server, end = serve(out, "Jane Doe")
    case = ask(server, "/now")[1]
    assert [row["case"] for row in case["cases"]] == ["turned", "tifs", "study"]
    assert (case["index"], case["case"]) == (0, "turned")
    end()


def test_the_page_names_nothing_outside_and_has_nothing_inline():
    page = files("brainseg") / "edit" / "page"
    html = (page / "index.html").read_text(encoding="utf-8")
    assert set(re.findall(r'(?:src|href)="([^"]*)"', html)) == {"data:,", "view.css", "style.css", "app.js"}
    assert not re.search(r"<script>|<style|style=|\son\w+=", html)
    for name in ("index.html", "app.js", "slice.js", "style.css"):
        assert "//" not in re.sub(r"(?m)(^|\s)// .*$", "", (page / name).read_text(encoding="utf-8")), name
    assert "Research only: not a medical device" in html
