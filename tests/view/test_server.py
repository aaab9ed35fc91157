"""The server answers to this machine alone, from its table alone."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import socket
from importlib.resources import files
from threading import Thread

import pytest

from brainseg.errors import UserError
from brainseg.view import server as server_module
from brainseg.view.result import find_result
from brainseg.view.server import ADDRESS, PAGE, Answer, ViewServer, make_table, serve

MORE = {"/outline.nii.gz", "/brain.nii.gz"}
VENDOR = files("brainseg") / "view" / "page" / "vendor"


@pytest.fixture(scope="module")
def table(out):
    return make_table(find_result(out / "turned.json"))


@pytest.fixture(scope="module")
def server(table):
    with ViewServer(table) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(server, path, method="GET", hosts=None):
    connection = http.client.HTTPConnection(ADDRESS, server.port, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    for host in [f"{ADDRESS}:{server.port}"] if hosts is None else hosts:
        connection.putheader("Host", host)
    connection.endheaders()
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def test_the_table_is_all_there_is(table):
    assert set(table) == {*PAGE, "/result.json", "/flair.nii.gz", "/mask.nii.gz", "/edge.nii.gz", *MORE}


def test_every_address_of_the_table(server, table):
    for path, answer in table.items():
        response, body = ask(server, path)
        assert (response.status, body) == (200, answer.body), path
        assert response.headers["Content-Type"] == answer.kind
        assert int(response.headers["Content-Length"]) == len(body)
        response, body = ask(server, path, "HEAD")
        assert (response.status, body) == (200, b"")
        assert int(response.headers["Content-Length"]) == len(answer.body)
    assert json.loads(table["/result.json"].body)["case"] == "turned"


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/../server.py",
        "/../../../../etc/passwd",
        "/%2e%2e/server.py",
        "/..%2fserver.py",
        "//etc/passwd",
        "/page/",
        "/page/index.html",
        "/index.html",
        "/vendor/",
        "/turned.json",
        "/result.json?x",
        "/result.json/",
        "/mask.nii.gz%00",
        "result.json",
        "http://127.0.0.1/result.json",
        "*",
    ],
)
def test_everything_else_is_not_found(server, path):
    response, body = ask(server, path)
    assert response.status == 404
    assert b"root:" not in body


def test_other_names_are_refused(server):
    port = server.port
    for host in (f"localhost:{port}", f"{ADDRESS}:{port}"):
        assert ask(server, "/", hosts=[host])[0].status == 200
    wrong = ([], ["evil.example"], [f"evil.example:{port}"], [ADDRESS], [f"{ADDRESS}:{port + 1}"], ["localhost"])
    for hosts in (*wrong, [f"{ADDRESS}:{port}", "evil.example"], [f"{ADDRESS}:{port}"] * 2, [f"{ADDRESS}:{port}.x"]):
        for method in ("GET", "HEAD"):
            response, body = ask(server, "/result.json", method, hosts)
            assert response.status == 403, hosts
            assert b"turned" not in body


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"])
def test_reading_is_all_one_can_do(server, method):
    response, _ = ask(server, "/", method)
    assert response.status == 405
    assert response.headers["Allow"] == "GET, HEAD"


def test_an_unknown_method_is_refused(server):
    assert ask(server, "/", "BREW")[0].status == 501


def test_headers_of_answers_and_of_refusals(server):
    for path, hosts, method in (("/", None, "GET"), ("/none", None, "GET"), ("/", ["x"], "GET"), ("/", None, "POST")):
        headers = ask(server, path, method, hosts)[0].headers
        policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"
        assert set(policy["img-src"].split()) == {"'self'", "data:"}
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in headers
        assert headers["Server"].strip() == "brainseg"


def test_it_is_bound_to_loopback(server):
    assert server.server_address[0] == "127.0.0.1"
    assert server.socket.getsockname() == ("127.0.0.1", server.port)
    with pytest.raises(OSError, match="refused"):  # the loopback network has other addresses
        socket.create_connection(("127.0.0.2", server.port), timeout=5)


def test_a_port_in_use_is_one_sentence(server):
    with pytest.raises(UserError, match=rf"port {server.port} is in use; choose another --port"):
        ViewServer({}, server.port)


def test_a_browser_that_goes_away_is_no_news(capfd):
    with ViewServer({"/": Answer("text/plain", bytes(50_000_000))}) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        with socket.create_connection((ADDRESS, server.port)) as connection:
            connection.sendall(f"GET / HTTP/1.0\r\nHost: {ADDRESS}:{server.port}\r\n\r\n".encode())
            connection.recv(1000)
        assert ask(server, "/none")[0].status == 404
        server.shutdown()
        thread.join()
    assert capfd.readouterr().err == ""


def test_the_browser_is_opened_once_if_wanted(out, monkeypatch):
    opened, said = [], []
    monkeypatch.setattr(server_module.webbrowser, "open", opened.append)

    def until_served(server):
        raise KeyboardInterrupt

    monkeypatch.setattr(ViewServer, "serve_forever", until_served)
    for browser in (False, True):
        serve(find_result(out / "turned.json"), 0, browser, said.append)
    assert len(said) == 2
    (url,) = opened
    assert said[1] == f"turned: {url} (Ctrl-C ends it)"
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", url)


def test_the_page_names_nothing_outside_and_has_nothing_inline():
    page = files("brainseg") / "view" / "page"
    html = (page / "index.html").read_text(encoding="utf-8")
    assert set(re.findall(r'(?:src|href)="([^"]*)"', html)) == {"data:,", "style.css", "niivue.js", "app.js"}
    assert not re.search(r"<script>|<style|style=|\son\w+=", html)
    for name in ("index.html", "app.js", "style.css"):
        assert "//" not in re.sub(r"(?m)(^|\s)// .*$", "", (page / name).read_text(encoding="utf-8")), name
    assert "Research only: not a medical device" in html


def test_niivue_is_the_version_that_its_readme_says():
    text = (VENDOR / "README.md").read_text(encoding="utf-8")
    assert hashlib.sha256((VENDOR / "niivue.umd.js").read_bytes()).hexdigest() in text
    assert "BSD 2-Clause License" in (VENDOR / "LICENSES.txt").read_text(encoding="utf-8")
