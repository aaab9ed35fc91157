"""The pictures of README.md and of the site's first page, from synthetic patients alone.

`python -m release.pictures segmentation` draws a phantom with its mask, `viewer` photographs `brainseg view`, `editor`
`brainseg edit`, and `page REPORT` a page of results (that of `make demo`: .demo/reports/index.html). The last three
need an installed Chromium.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Annotated, Any

import cv2
import numpy as np
import typer

from brainseg.data.phantom import PhantomParams, make_patient
from brainseg.data.slices import FLAIR, U8, Bool
from brainseg.errors import DataError
from brainseg.files import atomic_path
from brainseg.model.catalogue import CATALOGUE, ENSEMBLE, TRUTH_COLOUR
from brainseg.terminal import say
from demo.phantom import write_patient
from studies.command import run_app

FOLDER = Path(__file__).parents[1] / "docs" / "_static"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SWITCHES = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")  # WebGL without a graphics card
PATIENT, SEED, SLICES = 1, 7, 20
SLOWEST_MS = 600_000  # a browser without a graphics card on a busy machine
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def segmentation() -> None:
    """Four FLAIR slices of a phantom, and the same with prediction and truth."""
    import brainseg

    patient = make_patient(PATIENT, PhantomParams(patients=PATIENT + 1, slices=SLICES, size=256), SEED)
    result = brainseg.segment(patient.images, spacing=(150 / len(patient), 240 / 256, 240 / 256))
    tumour = np.flatnonzero(patient.masks.any(axis=(1, 2)))
    numbers = tumour[np.linspace(0, len(tumour) - 1, 6).astype(int)[1:-1]]
    rows = [
        [_drawn(patient.images[n, ..., FLAIR], None, None) for n in numbers],
        [_drawn(patient.images[n, ..., FLAIR], result.mask[n], patient.masks[n]) for n in numbers],
    ]
    picture = np.concatenate([np.concatenate(row, axis=1) for row in rows])
    _write("segmentation.png", cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes())


def _drawn(flair: U8, predicted: Bool | None, true: Bool | None) -> U8:
    """A slice without its rim, in colour; the prediction filled and the truth as a line."""
    picture = cv2.cvtColor(flair, cv2.COLOR_GRAY2BGR)
    if predicted is not None and true is not None:
        colour = np.asarray(_bgr(CATALOGUE[ENSEMBLE].colour))
        picture[predicted] = (0.5 * picture[predicted] + 0.5 * colour).astype(np.uint8)
        outline, _ = cv2.findContours(true.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, outline, -1, _bgr(TRUTH_COLOUR), 1)
    return np.asarray(picture[16:240, 24:232], np.uint8)


def _bgr(colour: str) -> tuple[int, int, int]:
    """`#rrggbb` in OpenCV's order."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return blue, green, red


@app.command()
def viewer() -> None:
    """The viewer with a phantom's result."""
    from brainseg.view.result import find_result
    from brainseg.view.server import ViewServer, make_table

    with _phantom() as out, _photographed(ViewServer(make_table(find_result(out)))) as opened:
        opened.wait_for_timeout(2000)  # for the 3-D picture
        _write("viewer.png", opened.screenshot())


@app.command()
def editor() -> None:
    """The editor with a phantom's result, after a click."""
    from brainseg.edit.answers import Answers
    from brainseg.edit.desk import Desk, find_results
    from brainseg.edit.server import EditServer

    with _phantom() as out:
        desk = Desk(find_results(out)[0], "Jane Doe", Answers.of)
        desk.begin()
        with _photographed(EditServer(desk)) as opened:
            for key in ("n", "Enter", "o"):
                opened.locator("#canvas").press(key)
                opened.locator("body:not([data-busy=true])").wait_for()
            _write("editor.png", opened.screenshot())
        desk.close()


@contextmanager
def _phantom() -> Iterator[Path]:
    """A folder with the result of a synthetic patient."""
    from brainseg.cohort.predict import Settings
    from brainseg.cohort.watched import predict_watched
    from brainseg.scans.cases import find_cases

    with TemporaryDirectory() as temporary:
        scan, out = Path(temporary, "phantom"), Path(temporary, "masks")
        write_patient(scan, PATIENT, SEED, SLICES)
        named = {name: scan / f"{name}.nii.gz" for name in ("flair", "pre", "post")}
        if predict_watched(find_cases([], named), Settings(out=out), 1):
            raise DataError("the phantom could not be segmented; the sentence above says why.")
        yield out


@contextmanager
def _photographed(server: Any) -> Iterator[Any]:
    """The page of a server of results, drawn; page and server end with the block."""
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        with _browser() as browser:
            opened = browser.new_page(viewport={"width": 1000, "height": 700})
            opened.set_default_timeout(SLOWEST_MS)
            opened.goto(server.url)
            opened.locator("body[data-state=ready]").wait_for()
            yield opened
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@app.command()
def page(report: Annotated[Path, typer.Argument(help="index.html of a run on synthetic patients.")]) -> None:
    """The head of a page of results."""
    text = report.read_text(encoding="utf-8") if report.is_file() else ""
    if "SYNTHETIC PATIENTS" not in text:
        raise DataError(f"{report} is no page of synthetic patients; make one with `make demo`.")
    with _browser() as browser:
        opened = browser.new_page(viewport={"width": 1000, "height": 700})
        opened.set_default_timeout(SLOWEST_MS)
        opened.goto(report.resolve().as_uri())
        opened.wait_for_timeout(3000)  # for the plots
        _write("page.png", opened.screenshot())


@contextmanager
def _browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        raise DataError("no Chromium is installed; install one (Debian's package: chromium).")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(SWITCHES))
        yield browser
        browser.close()


def _write(name: str, png: bytes) -> None:
    with atomic_path(FOLDER / name) as part:
        part.write_bytes(png)
    say(f"docs/_static/{name}: {len(png) // 1024} KiB")


if __name__ == "__main__":
    run_app(app)
