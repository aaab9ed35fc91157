"""Results to be corrected, and a server of the editor with answers that are known beforehand."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from threading import Thread

import pytest

from brainseg.edit.desk import Desk, find_results
from brainseg.edit.server import EditServer
from tests.correct.made import around, make_results


@pytest.fixture(scope="session")
def predicted(tmp_path_factory):
    return make_results(tmp_path_factory.mktemp("edit"))


@pytest.fixture
def out(predicted, tmp_path):
    """A folder with the results `study`, `tifs` and `turned`, to be written into."""
    shutil.copytree(predicted, tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def serve():
    """Serve a result, or a folder of them; returns the server, and what ends it."""
    with ExitStack() as ends:

        def served(path, annotator=""):
            desk = Desk(find_results(path)[0], annotator, lambda scan, predicted: around)
            desk.begin()
            server = EditServer(desk)
            thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            ending = ExitStack()
            ending.callback(lambda: (server.shutdown(), thread.join(), server.server_close(), desk.close()))
            ends.callback(ending.close)
            return server, ending.close

        yield served
