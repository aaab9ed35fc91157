"""The page in a real browser: both volumes drawn, nothing from outside, every control does what it says."""

from __future__ import annotations

import json
from contextlib import ExitStack
from threading import Thread

import cv2
import nibabel as nib
import numpy as np
import pytest

from brainseg.view.cohort import CohortTable
from brainseg.view.result import find_result, results_in
from brainseg.view.server import ViewServer, make_table
from tests.chromium import PATIENCE_MS, launch, needs_chromium

SWITCHES = (
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",  # WebGL without a graphics card
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
pytestmark = [
    pytest.mark.slow,
    needs_chromium,
]


@pytest.fixture
def show_folder(show):
    """The same for all results of a folder."""
    return lambda folder: show(CohortTable(folder, results_in(folder)[0]))


@pytest.fixture
def show():
    """Serve a result and open it; page and server end with the test.

    The page's attributes `asked_for` and `complaints` list addresses, and what the console said.
    """
    with ExitStack() as ends:

        def opened(path, *more):
            server = ViewServer(path if isinstance(path, CohortTable) else make_table(find_result(path)))
            thread = Thread(target=server.serve_forever)
            thread.start()
            ends.callback(lambda: (server.shutdown(), thread.join(), server.server_close()))
            page = ends.enter_context(launch(*SWITCHES, *more)).new_page(viewport={"width": 1000, "height": 700})
            page.set_default_timeout(PATIENCE_MS)
            page.asked_for, page.complaints = set(), []
            page.on("request", lambda asked: asked.url.startswith("data:") or page.asked_for.add(asked.url))
            page.on("pageerror", lambda error: page.complaints.append(str(error)))
            loud = ("error", "warning", "assert")
            page.on("console", lambda message: message.type in loud and page.complaints.append(message.text))
            page.goto(server.url)
            return page, server

        yield opened


def until(page, state):
    """Wait for the page to say so; not by a script, which its content-security policy forbids."""
    page.locator(f"body[data-state={state}]").wait_for()


def picture(page):
    """float [rows, columns, 3] of the canvas, blue, green, red."""
    png = cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    return png[: page.evaluate("document.getElementById('canvas').offsetHeight"), 300:].astype(float)


def blue(page):
    """Where the picture is blue rather than grey: bool [rows, columns]."""
    seen = picture(page)
    return seen[..., 0] - seen[..., 2] > 30


def red(page):
    """Where the picture is red rather than grey or yellow: bool [rows, columns]."""
    seen = picture(page)
    return seen[..., 2] - seen[..., 1] > 60


def sliders(page):
    """Axial, coronal, sagittal position as the page shows it."""
    text = "JSON.stringify([...document.querySelectorAll('[data-axis] output')].map(o => +o.textContent))"
    return json.loads(page.evaluate(text))


def choose(page, view):
    page.evaluate(f"document.querySelector('input[value={view}]').click()")
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def fill(page, percent):
    page.evaluate(
        f"const o = document.getElementById('opacity'); o.value = {percent}; o.dispatchEvent(new Event('input'))"
    )


def test_the_mask_lies_on_the_tumour_and_every_control_works(show, out):
    page, server = show(out / "turned.json")
    until(page, "ready")
    report = find_result(out / "turned.json").report
    assert page.evaluate("document.title") == "turned – brainseg"
    assert page.evaluate("document.body.dataset.tumourVoxels") == str(report.tumour.voxels)
    assert page.evaluate("document.body.dataset.grid") == "128 128 16"  # by right, front, up, whatever is stored
    text = page.evaluate("document.body.innerText")
    for words in (f"{report.tumour.volume_ml:.1f} ml", "4 of 16: 7 to 10", "ensemble", "not a medical device"):
        assert words in text

    # the mask is an outline until one wants it filled
    choose(page, "axial")
    bare = blue(page).sum()
    assert bare > 100
    fill(page, 40)
    assert blue(page).sum() > 1.5 * bare

    # the crosshair stands in the tumour, in the slice where it is largest
    mask = nib.as_closest_canonical(nib.load(out / "turned_mask.nii.gz"))
    stored = np.asanyarray(mask.dataobj)
    axial, coronal, sagittal = sliders(page)
    assert stored[sagittal, coronal, axial] == 1
    assert stored[..., axial].sum() == stored.sum((0, 1)).max()

    # heads.head() has its tumour to the right of the middle, which is the patient's left, and in front
    choose(page, "axial")
    seen = blue(page)
    rows, columns = np.nonzero(seen)
    assert len(rows) > 1000
    assert columns.mean() > 0.52 * seen.shape[1]
    assert rows.mean() < 0.48 * seen.shape[0]

    # without the mask: what it covers is the tumour, which heads.head() makes brighter than the brain around it
    page.evaluate("document.getElementById('shown').click()")
    assert blue(page).sum() < 0.02 * len(rows)
    around = cv2.dilate(seen.astype(np.uint8), np.ones((15, 15), np.uint8)).astype(bool) & ~seen
    bare = picture(page)
    assert np.median(bare[seen]) > 1.5 * np.median(bare[around])
    page.evaluate("document.getElementById('shown').click()")
    before = picture(page)[seen]
    fill(page, 100)
    after = picture(page)[seen]
    assert (after[:, 0] - after[:, 2]).mean() > (before[:, 0] - before[:, 2]).mean() + 30

    # by the keyboard to another slice, wherever the focus is, and back by the button
    page.evaluate("document.activeElement.blur()")
    for _ in range(4):
        page.keyboard.press("ArrowUp")
    page.evaluate("document.querySelector('[data-axis=\"2\"] input').focus()")
    page.keyboard.press("ArrowRight")
    assert sliders(page)[0] == axial + 5
    assert blue(page).sum() < 0.02 * len(rows)
    page.evaluate("document.getElementById('largest').click()")
    assert sliders(page) == [axial, coronal, sagittal]
    assert blue(page).sum() > 0.8 * len(rows)

    for view in ("coronal", "sagittal", "render", "all"):
        choose(page, view)
        assert blue(page).sum() > 500, view
        assert page.evaluate("document.getElementById('angles').hidden") == (view != "render")

    # the unsure edge is a second overlay, off at first
    choose(page, "axial")
    page.evaluate("document.getElementById('shown').click()")
    assert red(page).sum() < 20
    page.evaluate("document.getElementById('edge').click()")
    assert red(page).sum() > 60

    with page.expect_download() as saved:
        page.evaluate("document.getElementById('save').click()")
    assert saved.value.suggested_filename == f"turned_axial_slice{axial}.png"

    assert report.trust is not None
    assert f"expected Dice {report.trust.dice:.2f}" in text
    assert all(reason in text for reason in report.trust.reasons)
    assert float(page.evaluate("document.getElementById('dice').value")) == report.trust.dice
    assert page.evaluate("document.getElementById('doubt').hidden") == (not report.trust.doubtful_slices)

    names = ("", "style.css", "app.js", "niivue.js", "result.json", "flair.nii.gz", "mask.nii.gz", "edge.nii.gz")
    names += ("outline.nii.gz", "brain.nii.gz")
    assert page.asked_for == {server.url + name for name in names}
    assert page.complaints == []


def test_tif_slices_say_that_their_spacing_is_assumed(show, out):
    page, _ = show(out / "tifs.json")
    until(page, "ready")
    text = page.evaluate("document.body.innerText")
    assert "the scan's files carry no spacing" in text
    assert " voxels" in text
    assert sliders(page)[0] in find_result(out / "tifs.json").report.tumour.slices  # as the files are numbered
    assert page.evaluate("document.documentElement.scrollWidth <= 1000")
    assert page.evaluate("document.documentElement.scrollHeight <= 700")


def test_a_scan_without_tumour_is_shown_without_a_mask(show, out, tmp_path_factory):
    folder = tmp_path_factory.mktemp("none")
    mask = nib.load(out / "turned_mask.nii.gz")
    nib.save(nib.Nifti1Image(np.zeros(mask.shape, np.uint8), mask.affine), folder / "turned_mask.nii.gz")
    said = json.loads((out / "turned.json").read_text())
    said["tumour"] |= {"voxels": 0, "volume_ml": 0.0, "slices": []}
    (folder / "turned.json").write_text(json.dumps(said))
    page, _ = show(folder)
    until(page, "ready")
    assert "no tumour was found" in page.evaluate("document.body.innerText")
    assert page.evaluate("document.getElementById('largest').disabled")
    assert sliders(page)[0] in (7, 8)  # the middle
    choose(page, "axial")
    assert blue(page).sum() == 0
    assert picture(page).max() > 100
    assert page.complaints == []


def test_without_webgl_there_is_a_sentence_and_the_facts(show, out):
    page, _ = show(out / "turned.json", "--disable-3d-apis")
    until(page, "failed")
    text = page.evaluate("document.body.innerText")
    assert "it has no WebGL 2" in text
    assert " ml" in text
    assert not page.evaluate("document.getElementById('stage').offsetHeight")


def test_sequences_truth_and_probability_can_be_shown(show, scored):
    page, _ = show(scored / "rgb.json")
    until(page, "ready")
    choose(page, "axial")
    flair = picture(page)
    page.evaluate("document.querySelector('input[value=post]').click()")
    page.locator("body[data-sequence=post]").wait_for()
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert np.abs(picture(page) - flair).mean() > 3
    page.evaluate("document.querySelector('input[value=flair]').click()")
    page.locator("body[data-sequence=flair]").wait_for()
    for layer in ("truth", "probability"):
        box = f"document.querySelector('[data-layer={layer}]')"
        assert not page.evaluate(f"{box}.closest('label').hidden")
        before = picture(page)
        page.evaluate(f"{box}.click()")
        assert np.abs(picture(page) - before).sum() > 1000, layer
    assert "Dice with the true mask" in page.evaluate("document.body.innerText")
    assert page.complaints == []


def test_a_folder_begins_with_its_list_and_leads_from_case_to_case(show_folder, out):
    page, server = show_folder(out)
    until(page, "ready")
    assert page.evaluate("document.querySelectorAll('#rows tr').length") == 3
    page.evaluate("document.querySelector('#rows a').click()")
    page.locator("#place").wait_for()
    until(page, "ready")
    assert page.evaluate("document.getElementById('place').textContent") == "1 of 3"
    page.keyboard.press("n")
    page.wait_for_url(f"{server.url}1/")
    until(page, "ready")
    assert page.evaluate("document.getElementById('place').textContent") == "2 of 3"
    assert page.complaints == []
