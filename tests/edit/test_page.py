"""The editor in a real browser: a mask is put right, kept through a kill, saved; by mouse, by keyboard, on a phone."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack

import nibabel as nib
import numpy as np
import pytest

from tests.chromium import PATIENCE_MS, launch, needs_chromium
from tests.correct.made import SIDE, N

pytestmark = needs_chromium
SWITCHES = ("--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")


@pytest.fixture(scope="module")
def browser():
    with launch(*SWITCHES) as browser:
        yield browser


@pytest.fixture
def look(browser):
    """Open the page; `complaints` lists what the console said."""
    with ExitStack() as ends:

        def opened(url, width=1280, height=800, **context):
            page = browser.new_page(viewport={"width": width, "height": height}, **context)
            ends.callback(page.close)
            page.complaints, page.asked_for = [], set()
            page.on("request", lambda asked: asked.url.startswith("data:") or page.asked_for.add(asked.url))
            page.on("pageerror", lambda error: page.complaints.append(str(error)))
            page.on("console", lambda said: said.type in ("error", "warning") and page.complaints.append(said.text))
            page.set_default_timeout(PATIENCE_MS)
            page.goto(url)
            page.locator("body[data-state=ready]").wait_for()
            return page

        yield opened


def data(page, name):
    return page.evaluate(f"document.body.dataset.{name}")


def settled(page, lines):
    """Wait until the server has answered, with so many lines in the journal."""
    page.locator(f"body[data-lines='{lines}'][data-busy=false]").wait_for()


def at(page, row, column):
    """Where a pixel of the slice is on the screen."""
    box = page.locator("#canvas").bounding_box()
    return box["x"] + (column + 0.5) / SIDE * box["width"], box["y"] + (row + 0.5) / SIDE * box["height"]


def disc(row, column, radius):
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2


def corrected(out):
    """bool [n, height, width]: the corrected mask as the file has it, turned as the page shows it."""
    image = nib.as_closest_canonical(nib.load(out / "turned_corrected.nii.gz"))
    return np.asanyarray(image.dataobj)[::-1, ::-1].T > 0


def test_a_mask_is_put_right_through_a_kill_and_saved(look, serve, out):
    server, kill = serve(out / "turned.json")
    page = look(server.url)
    automatic = nib.as_closest_canonical(nib.load(out / "turned_mask.nii.gz"))
    expected = np.asanyarray(automatic.dataobj)[::-1, ::-1].T > 0
    assert int(data(page, "voxels")) == expected.sum()
    assert int(data(page, "slice")) == expected.sum((1, 2)).argmax()

    # a click where no tumour was found: the mask grows there, in this slice and the next, and nowhere else
    page.locator("#canvas").focus()
    page.keyboard.press("PageDown")
    place = int(data(page, "slice"))
    page.mouse.click(*at(page, 5, 6))
    settled(page, 1)
    for i in (place, place + 1):
        expected[i] |= disc(5, 6, 4)
    assert int(data(page, "voxels")) == expected.sum()
    page.keyboard.press("z")
    settled(page, 2)
    page.keyboard.press("y")
    settled(page, 3)

    # a stroke of the brush in the slice above, drawn at once, and the same as the server makes of it
    page.keyboard.press("PageUp")
    page.keyboard.press("PageUp")
    page.keyboard.press("b")
    page.mouse.move(*at(page, 55, 10))
    page.mouse.down()
    page.mouse.move(*at(page, 55, 30), steps=4)
    page.mouse.up()
    settled(page, 4)
    drawn = int(data(page, "voxels"))
    assert drawn > expected.sum() + 100

    page.keyboard.press("s")
    page.locator("#message:not([hidden])").wait_for()
    assert "type a name" in page.locator("#message").inner_text()

    kill()
    page.keyboard.press("z")
    page.locator("body[data-state=lost]").wait_for()
    assert "all that was done before is kept" in page.locator("#message").inner_text()

    server, _ = serve(out / "turned.json")
    page = look(server.url)
    assert (int(data(page, "lines")), int(data(page, "voxels"))) == (4, drawn)
    page.locator("#annotator").fill("Jane Doe")
    page.locator("#save").click()
    page.locator("body[data-saved=true]").wait_for()
    saved = corrected(out)
    assert saved.sum() == drawn
    np.testing.assert_array_equal(saved[: place + 2], expected[: place + 2])
    assert (saved[place + 2] ^ expected[place + 2])[51:60].sum() == drawn - expected.sum()
    affines = [nib.load(out / f"turned_{end}.nii.gz").affine.tobytes() for end in ("corrected", "mask")]
    assert affines[0] == affines[1]
    names = {"", "view.css", "style.css", "app.js", "slice.js", "now", "save", *(f"0/flair/{i}" for i in range(N))}
    assert page.asked_for <= {server.url + name for name in names}
    assert page.complaints == []


@pytest.mark.slow
def test_everything_by_keyboard(look, serve, out):
    server, _ = serve(out, "Jane Doe")
    page = look(server.url)
    first = data(page, "case")
    press = page.keyboard.press
    page.locator("#canvas").focus()
    here = lambda: int(data(page, "here"))  # noqa: E731
    press("c")
    settled(page, 1)
    assert here() == 0
    row, column = int(data(page, "row")), int(data(page, "column"))
    press("ArrowUp")
    press("Shift+ArrowLeft")
    assert (int(data(page, "row")), int(data(page, "column"))) == (row - 1, column - 10)
    press("b")
    press("]")
    press("Enter")  # a dab of 5 pixels
    settled(page, 2)
    assert here() == disc(30, 30, 5).sum()
    press("e")
    press("[")
    press("[")
    press(" ")
    settled(page, 3)
    assert here() == disc(30, 30, 5).sum() - disc(30, 30, 3).sum()
    press("f")
    press("Enter")
    settled(page, 4)
    assert here() == disc(30, 30, 5).sum()
    press("n")
    press("Enter")
    settled(page, 5)
    assert here() == disc(30, 30, 5).sum() - disc(30, 30, 4).sum()
    press("a")
    settled(page, 6)
    press("Control+z")
    settled(page, 7)
    press("Control+Shift+Z")
    settled(page, 8)
    press("PageDown")
    press("PageDown")
    press("c")
    settled(page, 9)
    press("b")
    press("Enter")
    settled(page, 10)
    press("PageUp")
    press("i")
    settled(page, 11)
    assert "Interpolated" in page.locator("#status").inner_text()
    press("m")
    assert not page.locator("#shown").is_checked()
    press("o")
    assert page.locator("#outline").is_checked()
    press("s")
    page.locator("body[data-saved=true]").wait_for()
    press("j")
    page.locator(f"body:not([data-case={first}])[data-busy=false]").wait_for()
    assert "saved" in page.locator("#cases option").first.inner_text()
    press("k")
    page.locator(f"body[data-case={first}][data-busy=false]").wait_for()
    assert int(data(page, "lines")) == 11
    # letters typed as a name are no keys, and without the box none works away from the slice
    page.locator("#annotator").fill("")
    page.locator("#annotator").press_sequentially("cab")
    page.evaluate("document.getElementById('letters').click()")
    page.locator("#help summary").focus()
    press("c")
    assert int(data(page, "lines")) == 11
    assert page.complaints == []


@pytest.mark.slow
def test_on_a_phone_nothing_is_cut_off_and_a_finger_draws(look, serve, out):
    server, _ = serve(out)
    page = look(server.url, 390, 844, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#tool span", has_text="Brush").tap()
    page.locator("#canvas").tap(position={"x": 20, "y": 20})
    settled(page, 1)
    page.locator("#undo").tap()
    settled(page, 2)
    for name in ("#accept", "#clear", "#interpolate", "#save", "#cases", "#next"):
        box = page.locator(name).bounding_box()
        assert 0 <= box["x"] <= box["x"] + box["width"] <= 390, name
        assert box["height"] >= 24, name


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing(look, serve, out, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    server, _ = serve(out)
    page = look(server.url, width, bypass_csp=True)
    page.evaluate("document.getElementById('help').open = true")
    results = axe.run(page)
    assert results.violations_count == 0, results.generate_report()
    page.keyboard.press("c")
    settled(page, 1)
    page.keyboard.press("s")  # without a name: the sentence is on the page
    page.locator("#message:not([hidden])").wait_for()
    assert axe.run(page).violations_count == 0


@pytest.mark.slow
def test_a_second_window_shows_what_the_first_did(look, serve, out):
    server, _ = serve(out / "turned.json")
    first, second = look(server.url), look(server.url)
    first.keyboard.press("c")
    settled(first, 1)
    second.keyboard.press("c")
    second.locator("#message:not([hidden])").wait_for()
    assert "in another window" in second.locator("#message").inner_text()
    settled(second, 1)
    assert data(second, "voxels") == data(first, "voxels")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills by a signal")
def test_the_command_survives_a_kill_with_the_answers_that_are_shipped(look, out, tmp_path):
    shutil.rmtree(out / "tifs")
    command = [
        sys.executable,
        "-m",
        "brainseg.cli",
        "edit",
        str(out / "turned.json"),
        "--no-open",
        "--annotator",
        "Jane",
    ]

    def started():
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
        return process, re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())[0]

    process, url = started()
    page = look(url)
    before = int(data(page, "voxels"))
    page.keyboard.press("n")
    page.locator("#canvas").press("Enter")
    settled(page, 1)
    after = int(data(page, "voxels"))
    assert after < before
    process.send_signal(signal.SIGKILL)
    process.communicate()
    process, url = started()
    page = look(url)
    assert int(data(page, "voxels")) == after
    page.keyboard.press("s")
    page.locator("body[data-saved=true]").wait_for()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=PATIENCE_MS / 1000) == ("", "")
    assert process.returncode == 0
    assert corrected(out).sum() == after
