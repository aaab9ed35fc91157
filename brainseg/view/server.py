"""A server for this machine alone, of a fixed table of answers and nothing else."""

from __future__ import annotations

import errno
import json
import sys
import webbrowser
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from importlib.resources import files
from socketserver import ThreadingTCPServer
from threading import Thread
from typing import Any

from brainseg.errors import UserError
from brainseg.view.result import Result
from brainseg.view.volumes import make_volumes
from brainseg.view.words import page_content

ADDRESS = "127.0.0.1"
HTTP_PORT = 80
"""Browsers leave this one out of the Host header."""
PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/app.js": ("app.js", "text/javascript; charset=utf-8"),
    "/niivue.js": ("vendor/niivue.umd.js", "text/javascript; charset=utf-8"),
}
HEADERS = {
    # NiiVue keeps its font and its matcap in data: URLs; everything else comes from here
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Answer:
    """The type and the bytes of one address."""

    kind: str
    body: bytes


class Handler(BaseHTTPRequestHandler):
    """GET and HEAD of the table; the rest is refused."""

    server: ViewServer
    allowed = "GET, HEAD"
    server_version = "brainseg"
    sys_version = ""
    timeout = 30  # of a browser that says nothing

    def do_GET(self) -> None:
        """Answer with the body."""
        if (answer := self._answer()) is not None:
            self.wfile.write(answer.body)

    def do_HEAD(self) -> None:
        """Answer without it."""
        self._answer()

    def _answer(self) -> Answer | None:
        """Send the headers; None after a refusal."""
        if not self._knows_us():
            self.send_error(HTTPStatus.FORBIDDEN, explain="This server answers to its own address alone.")
            return None
        answer = self.server.find(self.path)
        if answer is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        self._send(HTTPStatus.OK, answer)
        return answer

    def _knows_us(self) -> bool:
        """A page from elsewhere whose name was made to lead here (DNS rebinding) says its own name."""
        return self.headers.get_all("Host", []) in self.server.hosts

    def _send(self, status: HTTPStatus, answer: Answer) -> None:
        """Status and headers, without the body."""
        self.send_response(status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()

    def _refuse_method(self) -> None:
        self.send_error(HTTPStatus.METHOD_NOT_ALLOWED)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = do_CONNECT = _refuse_method  # noqa: N815

    def end_headers(self) -> None:
        """Of refusals, too."""
        for name, value in {**HEADERS, "Allow": self.allowed}.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """The terminal is not for every request."""


class ViewServer(ThreadingTCPServer):
    """Answers from a table on the loopback interface, at `url`.

    Not http.server's own class: that one asks the resolver for this machine's name, which can hang without network.

    Args:
        table: answers by path.
        port: 0 for a free one.

    Raises:
        UserError: the port is taken.
    """

    handler: type[Handler] = Handler
    allow_reuse_address = True  # a port of a moment ago, not one in use
    daemon_threads = True

    def __init__(self, table: Mapping[str, Answer], port: int = 0):
        self.table = table
        try:
            super().__init__((ADDRESS, port), self.handler)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            why = "is in use" if error.errno == errno.EADDRINUSE else "is reserved"
            raise UserError(f"port {port} {why}; choose another --port, or leave it out for a free one.") from None
        self.port = int(self.server_address[1])
        ports = [f":{self.port}", ""] if self.port == HTTP_PORT else [f":{self.port}"]
        self.hosts = [[name + port] for name in (ADDRESS, "localhost") for port in ports]

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{ADDRESS}:{self.port}/"

    def find(self, path: str) -> Answer | None:
        """What is at an address; None where nothing is."""
        return self.table.get(path)

    def run(self, what: str, browser: bool, say: Callable[[str], None]) -> None:
        """Serve until Ctrl-C.

        Args:
            what: is served, for the terminal.
            browser: open the page in it.
            say: is told the address.
        """
        try:
            say(f"{what}: {self.url} (Ctrl-C ends it)")
            if browser:  # in a thread: one that runs in the terminal keeps its caller waiting, and needs an answer
                Thread(target=webbrowser.open, args=[self.url], daemon=True).start()
            self.serve_forever()
        except KeyboardInterrupt:
            pass

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away in the middle is no news; anything else keeps its traceback."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def page_of(room: str, names: Mapping[str, tuple[str, str]]) -> dict[str, Answer]:
    """The files of a room's page: address -> answer; `names` has file and type of each address."""
    page = files("brainseg") / room / "page"
    return {path: Answer(kind, (page / name).read_bytes()) for path, (name, kind) in names.items()}


def make_table(result: Result, around: Mapping[str, Any] | None = None) -> dict[str, Answer]:
    """All addresses of one result.

    Args:
        result: to be shown.
        around: of a result among others: `place` in words, and the addresses `previous`, `next` and `all`.

    Raises:
        DataError: see `make_volumes`.
    """
    volumes = make_volumes(result)
    content = page_content(
        result.report, volumes.slices, volumes.remarks, volumes.start_mm, volumes.doubtful, list(volumes.more)
    )
    content |= around or {}
    table = page_of("view", PAGE) | {
        "/result.json": Answer("application/json", json.dumps(content, allow_nan=False).encode()),
        "/flair.nii.gz": Answer("application/gzip", volumes.flair),
        "/mask.nii.gz": Answer("application/gzip", volumes.mask),
    }
    table |= {f"/{name}.nii.gz": Answer("application/gzip", found) for name, found in volumes.more.items()}
    if volumes.edge:
        table["/edge.nii.gz"] = Answer("application/gzip", volumes.edge)
    return table


def serve(result: Result, port: int, browser: bool, say: Callable[[str], None]) -> None:
    """Serve one result until Ctrl-C.

    Args:
        result: to be shown.
        port: 0 for a free one.
        browser: open the page in it.
        say: is told the address.

    Raises:
        UserError: see `make_volumes` and `ViewServer`.
    """
    serve_table(make_table(result), result.report.case, port, browser, say)


def serve_table(table: Mapping[str, Answer], title: str, port: int, browser: bool, say: Callable[[str], None]) -> None:
    """Serve any table until Ctrl-C; `title` goes before the address that is said, the rest is as in `serve`."""
    with ViewServer(table, port) as server:
        server.run(title, browser, say)
