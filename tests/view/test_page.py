"""The page in a real browser: both volumes drawn, nothing from outside, every control does what it says."""

from __future__ import annotations

import json
from threading import Thread

import cv2
import nibabel as nib
import numpy as np
import pytest

from brainseg.view.result import find_result
from brainseg.view.server import ViewServer, make_table
from tests.view.chromium import Chromium, find_chromium

PROGRAM = find_chromium()
READY = "document.body?.dataset.state === 'ready'"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="no Chromium is installed (Debian's package: chromium)"),
]


@pytest.fixture
def show(tmp_path):
    """Serve a result and open it; browser and server end with the test."""
    ends = []

    def opened(path, *more):
        server = ViewServer(make_table(find_result(path)))
        thread = Thread(target=server.serve_forever)
        thread.start()
        ends.append(lambda: (server.shutdown(), thread.join(), server.server_close()))
        browser = Chromium(PROGRAM, tmp_path, more=more)
        ends.append(browser.close)
        browser.call("Page.navigate", url=server.url)
        return browser, server

    yield opened
    for end in reversed(ends):
        end()


def picture(browser):
    """float [rows, columns, 3] of the canvas, blue, green, red."""
    png = cv2.imdecode(np.frombuffer(browser.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    return png[: browser.evaluate("document.getElementById('canvas').offsetHeight"), 300:].astype(float)


def blue(browser):
    """Where the picture is blue rather than grey: bool [rows, columns]."""
    seen = picture(browser)
    return seen[..., 0] - seen[..., 2] > 30


def sliders(browser):
    """Axial, coronal, sagittal position as the page shows it."""
    text = "JSON.stringify([...document.querySelectorAll('[data-axis] output')].map(o => +o.textContent))"
    return json.loads(browser.evaluate(text))


def choose(browser, view):
    browser.evaluate(f"document.querySelector('input[value={view}]').click()")
    browser.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def asked_for(browser):
    urls = [p["request"]["url"] for method, p in browser.events if method == "Network.requestWillBeSent"]
    return {url for url in urls if not url.startswith("data:")}


def complaints(browser):
    return [
        event for event in browser.events
        if event[0] == "Runtime.exceptionThrown"
        or (event[0] == "Log.entryAdded" and event[1]["entry"]["level"] in ("error", "warning"))
        or (event[0] == "Runtime.consoleAPICalled" and event[1]["type"] in ("error", "warning", "assert"))
    ]  # fmt: skip


def test_the_mask_lies_on_the_tumour_and_every_control_works(show, out):
    browser, server = show(out / "turned.json")
    browser.wait_for(READY)
    report = find_result(out / "turned.json").report
    assert browser.evaluate("document.title") == "turned – brainseg"
    assert browser.evaluate("document.body.dataset.tumourVoxels") == str(report.tumour.voxels)
    assert browser.evaluate("document.body.dataset.grid") == "128 128 16"  # by right, front, up, whatever is stored
    text = browser.evaluate("document.body.innerText")
    for words in (f"{report.tumour.volume_ml:.1f} ml", "4 of 16: 7 to 10", "ensemble", "not a medical device"):
        assert words in text

    # the crosshair stands in the tumour, in the slice where it is largest
    mask = nib.as_closest_canonical(nib.load(out / "turned_mask.nii.gz"))
    stored = np.asanyarray(mask.dataobj)
    axial, coronal, sagittal = sliders(browser)
    assert stored[sagittal, coronal, axial] == 1
    assert stored[..., axial].sum() == stored.sum((0, 1)).max()

    # heads.head() has its tumour to the right of the middle, which is the patient's left, and in front
    choose(browser, "axial")
    seen = blue(browser)
    rows, columns = np.nonzero(seen)
    assert len(rows) > 1000
    assert columns.mean() > 0.52 * seen.shape[1]
    assert rows.mean() < 0.48 * seen.shape[0]

    # without the mask: what it covers is the tumour, which heads.head() makes brighter than the brain around it
    browser.evaluate("document.getElementById('shown').click()")
    assert blue(browser).sum() < 0.02 * len(rows)
    around = cv2.dilate(seen.astype(np.uint8), np.ones((15, 15), np.uint8)).astype(bool) & ~seen
    bare = picture(browser)
    assert np.median(bare[seen]) > 1.5 * np.median(bare[around])
    browser.evaluate("document.getElementById('shown').click()")
    strong = "const o = document.getElementById('opacity'); o.value = 100; o.dispatchEvent(new Event('input'))"
    before = picture(browser)[seen]
    browser.evaluate(strong)
    after = picture(browser)[seen]
    assert (after[:, 0] - after[:, 2]).mean() > (before[:, 0] - before[:, 2]).mean() + 30

    # by the keyboard to another slice, and back by the button
    browser.evaluate("document.querySelector('[data-axis=\"2\"] input').focus()")
    for _ in range(5):
        browser.press("ArrowRight")
    assert sliders(browser)[0] == axial + 5
    assert blue(browser).sum() < 0.02 * len(rows)
    browser.evaluate("document.getElementById('largest').click()")
    assert sliders(browser) == [axial, coronal, sagittal]
    assert blue(browser).sum() > 0.8 * len(rows)

    for view in ("coronal", "sagittal", "render", "all"):
        choose(browser, view)
        assert blue(browser).sum() > 500, view
        assert browser.evaluate("document.getElementById('angles').hidden") == (view != "render")

    names = ("", "style.css", "app.js", "niivue.js", "result.json", "flair.nii.gz", "mask.nii.gz")
    assert asked_for(browser) == {server.url + name for name in names}
    assert complaints(browser) == []


def test_tif_slices_say_that_their_spacing_is_assumed(show, out):
    browser, _ = show(out / "tifs.json")
    browser.wait_for(READY)
    text = browser.evaluate("document.body.innerText")
    assert "TIF slices carry no spacing" in text
    assert " voxels" in text
    assert sliders(browser)[0] in find_result(out / "tifs.json").report.tumour.slices  # as the files are numbered
    assert browser.evaluate("document.documentElement.scrollWidth <= 1000")
    assert browser.evaluate("document.documentElement.scrollHeight <= 700")


def test_a_scan_without_tumour_is_shown_without_a_mask(show, out, tmp_path_factory):
    folder = tmp_path_factory.mktemp("none")
    mask = nib.load(out / "turned_mask.nii.gz")
    nib.save(nib.Nifti1Image(np.zeros(mask.shape, np.uint8), mask.affine), folder / "turned_mask.nii.gz")
    said = json.loads((out / "turned.json").read_text())
    said["tumour"] |= {"voxels": 0, "volume_ml": 0.0, "slices": []}
    (folder / "turned.json").write_text(json.dumps(said))
    browser, _ = show(folder)
    browser.wait_for(READY)
    assert "no tumour was found" in browser.evaluate("document.body.innerText")
    assert browser.evaluate("document.getElementById('largest').disabled")
    assert sliders(browser)[0] in (7, 8)  # the middle
    choose(browser, "axial")
    assert blue(browser).sum() == 0
    assert picture(browser).max() > 100
    assert complaints(browser) == []


def test_without_webgl_there_is_a_sentence_and_the_facts(show, out):
    browser, _ = show(out / "turned.json", "--disable-3d-apis")
    browser.wait_for("document.body?.dataset.state === 'failed'")
    text = browser.evaluate("document.body.innerText")
    assert "it has no WebGL 2" in text
    assert " ml" in text
    assert not browser.evaluate("document.getElementById('stage').offsetHeight")
