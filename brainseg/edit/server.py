"""The server of the editor: it answers to this machine alone, and writes only what its own page asks for."""

from __future__ import annotations

import hmac
import json
import re
import secrets
import traceback
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from brainseg.edit.desk import Desk, Stale
from brainseg.errors import UserError
from brainseg.params import parse_json
from brainseg.terminal import sentence
from brainseg.view.server import Answer, Handler, ViewServer, page_of

PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/app.js": ("app.js", "text/javascript; charset=utf-8"),
    "/slice.js": ("slice.js", "text/javascript; charset=utf-8"),
}
SHARED = {"/view.css": ("style.css", "text/css; charset=utf-8")}
"""Of the viewer's page."""
TOKEN_HEADER = "X-Brainseg-Token"
TOKEN_PLACE = b"{{token}}"
"""In the page; a page from elsewhere cannot read it."""
MOST_BODY = 1 << 20
"""Bytes of a request; the longest stroke takes 100,000."""
_PICTURE = re.compile(r"/(\d{1,6})/([a-z]+)/(\d{1,6})")


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Open(_Request):
    case: int


class _Now(_Request):
    pass


class _Act(_Request):
    case: int
    after: int
    step: dict[str, Any]


class _Save(_Request):
    case: int
    after: int
    annotator: str


REQUESTS: Mapping[str, tuple[type[_Request], Callable[[Desk, Any], dict[str, Any]]]] = {
    "/now": (_Now, lambda desk, asked: desk.now()),
    "/open": (_Open, lambda desk, asked: desk.open(asked.case)),
    "/act": (_Act, lambda desk, asked: desk.act(asked.case, asked.after, asked.step)),
    "/save": (_Save, lambda desk, asked: desk.save(asked.case, asked.after, asked.annotator)),
}
"""What can be asked for by POST: what has to be said, and who answers."""


class EditHandler(Handler):
    """GET of the page and of slices; POST of what is in `REQUESTS`, from the page alone."""

    server: EditServer
    allowed = "GET, HEAD, POST"

    def do_POST(self) -> None:  # noqa: N802 - http.server calls it so
        """Answer in JSON; errors are `{"error": sentence}`."""
        refusal = self._refusal()
        if refusal is not None:
            self._say(*refusal)
            return
        kind, answer = REQUESTS[self.path]
        try:
            asked = kind.model_validate(parse_json(self._body().decode()))
            self._say(HTTPStatus.OK, answer(self.server.desk, asked))
        except Stale as error:
            self._say(HTTPStatus.CONFLICT, {"error": str(error)})
        except UserError as error:
            self._say(HTTPStatus.UNPROCESSABLE_ENTITY, {"error": sentence(error)})
        except (ValidationError, ValueError):
            self._say(HTTPStatus.BAD_REQUEST, {"error": "this is no request of the page; load it again."})
        except Exception as error:
            said = sentence(error)
            if said is None:
                traceback.print_exc()
            self._say(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                {"error": said or "brainseg edit failed; the terminal says where. Nothing that was done is lost."},
            )

    def _refusal(self) -> tuple[HTTPStatus, dict[str, Any]] | None:
        """Why the request is not looked at; None if it comes from the page."""
        own = [f"http://{name}" for names in self.server.hosts for name in names]
        origins = self.headers.get_all("Origin", [])
        token = self.headers.get(TOKEN_HEADER, "")
        strange = (
            not self._knows_us()
            or len(origins) != 1
            or origins[0] not in own
            or self.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin"
            or not hmac.compare_digest(token.encode("latin-1", "replace"), self.server.token.encode())
        )
        if strange:
            said = "only the page of this brainseg edit can change something; open the address in the terminal."
            return HTTPStatus.FORBIDDEN, {"error": said}
        if self.path not in REQUESTS:
            return HTTPStatus.NOT_FOUND, {"error": "there is no such request; load the page again."}
        if self.headers.get("Content-Type", "").lower() not in ("application/json", "application/json; charset=utf-8"):
            return HTTPStatus.UNSUPPORTED_MEDIA_TYPE, {"error": "expected application/json."}
        length = self.headers.get_all("Content-Length", [])
        if len(length) != 1 or not re.fullmatch(r"\d{1,12}", length[0]) or "Transfer-Encoding" in self.headers:
            return HTTPStatus.LENGTH_REQUIRED, {"error": "expected a length."}
        if int(length[0]) > MOST_BODY:
            said = f"the request has {length[0]} bytes, expected {MOST_BODY} at most."
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": said}
        return None

    def _body(self) -> bytes:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:
            raise ValueError("the request ended early")
        return body

    def _say(self, status: HTTPStatus, content: dict[str, Any]) -> None:
        answer = Answer("application/json", json.dumps(content, allow_nan=False).encode())
        self._send(status, answer)
        self.wfile.write(answer.body)


class EditServer(ViewServer):
    """Serves a desk on the loopback interface, at `url`.

    Args:
        desk: the cases.
        port: 0 for a free one.

    Raises:
        UserError: the port is taken.
    """

    handler = EditHandler

    def __init__(self, desk: Desk, port: int = 0):
        self.desk, self.token = desk, secrets.token_urlsafe(32)
        table = page_of("view", SHARED) | page_of("edit", PAGE)
        table["/"] = Answer(table["/"].kind, table["/"].body.replace(TOKEN_PLACE, self.token.encode()))
        super().__init__(table, port)

    def find(self, path: str) -> Answer | None:
        """A file of the page, or a slice of the open case: `/<index>/<sequence>/<slice>`."""
        asked = _PICTURE.fullmatch(path)
        if asked is None:
            return super().find(path)
        pixels = self.desk.picture(int(asked[1]), asked[2], int(asked[3]))
        return None if pixels is None else Answer("application/octet-stream", pixels)


def serve(desk: Desk, port: int, browser: bool, say: Callable[[str], None]) -> None:
    """Serve the editor until Ctrl-C.

    Args:
        desk: the cases, none of which needs to be open.
        port: 0 for a free one.
        browser: open the page in it.
        say: is told the address, and what is passed over.

    Raises:
        UserError: no case can be opened, or the port is taken.
    """
    try:
        for left in desk.begin():
            say(f"left: {left}")
        with EditServer(desk, port) as server:
            count = len(desk.results)
            server.run(desk.results[0].report.case if count == 1 else f"{count} cases", browser, say)
    finally:
        desk.close()
