"""The page in a real browser, opened from disk: nothing complains, everything answers to mouse and keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.chromium import launch, needs_chromium

pytestmark = needs_chromium
SIZES = {"desk": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launch() as started:
        yield started


@pytest.fixture(params=SIZES)
def page(request: pytest.FixtureRequest, browser: Any, run: Path) -> Iterator[Any]:
    """The opened page; that nothing complained and nothing was asked for is checked at the end."""
    width, height = SIZES[request.param]
    opened = browser.new_page(viewport={"width": width, "height": height})
    heard: list[str] = []
    opened.on("console", lambda message: heard.append(message.text))
    opened.on("pageerror", lambda error: heard.append(str(error)))
    opened.on(
        "request", lambda request: None if request.url.startswith(("file:", "data:")) else heard.append(request.url)
    )
    opened.goto((run / "reports" / "index.html").as_uri())
    yield opened
    assert heard == []
    opened.close()


def column(page: Any, index: int) -> list[str]:
    return page.eval_on_selector_all(
        f"#patient-table tbody tr:not([hidden]) > :nth-child({index})", "cells => cells.map(cell => cell.textContent)"
    )


def dice_of(run: Path, patient: str) -> float:
    table = pd.read_csv(run / "metrics" / "per_patient.csv").set_index(["model", "patient"])
    return table.loc[("ensemble", patient), "dice"]


def slices_of(run: Path, patient: str) -> pd.DataFrame:
    table = pd.read_csv(run / "metrics" / "per_slice.csv")
    return table[(table["patient"] == patient) & (table["model"] == "ensemble")]


def show(page: Any, index: int = 0) -> str:
    """Open a patient; its name."""
    button = page.locator("#patient-table [data-open]").nth(index)
    button.click()
    assert page.locator("#viewer").is_visible()
    return button.text_content()


def test_it_fits_its_window_and_every_figure_is_drawn(page: Any):
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.wait_for_function("document.body.dataset.drawn === 'all'")  # without a scroll: a saved page is whole
    for figure in page.locator("[data-figure]").all():
        assert figure.locator(".main-svg").first.bounding_box()["width"] <= page.viewport_size["width"]
    assert page.locator("[data-figure]").count() == 16
    assert page.locator('[role="alert"]').text_content().startswith("SYNTHETIC PATIENTS")


def test_the_table_sorts_and_filters(page: Any, run: Path):
    dice = [float(cell) for cell in column(page, 6)]
    assert dice == sorted(dice)
    page.locator('[data-sort="ensemble"]').click()
    assert [float(cell) for cell in column(page, 6)] == dice[::-1]
    assert page.locator('th:has([data-sort="ensemble"])').get_attribute("aria-sort") == "descending"
    page.locator('[data-sort="patient"]').focus()
    page.keyboard.press("Enter")
    names = column(page, 1)
    assert names == sorted(names)
    assert page.locator("[aria-sort]").count() == 1
    page.locator("#filter-name").fill(names[1][-13:].lower())
    assert column(page, 1) == [names[1]]
    assert page.locator("#filter-count").text_content() == "1 patient"
    page.locator("#filter-name").fill("")
    page.locator("#filter-dice").fill(str(dice[0] + 0.001))  # the table rounds to three digits
    assert column(page, 1) == sorted(names, key=lambda name: dice_of(run, name))[:1]
    page.locator("#filter-dice").fill("")
    page.locator("#filter-institution").select_option("DU")
    assert set(column(page, 2)) == {"DU"}


def test_slider_and_keys_move_the_slice(page: Any, run: Path):
    rows = slices_of(run, show(page))
    slider, picture = page.locator("#viewer-slice"), page.locator("#viewer-image")
    at = int(slider.input_value())
    assert at == int(np.argmax(rows["tumour_px"]))
    before = picture.get_attribute("href")
    page.keyboard.press("ArrowRight")
    assert int(slider.input_value()) == at + 1
    assert picture.get_attribute("href") != before
    page.keyboard.press("ArrowLeft")
    assert picture.get_attribute("href") == before
    page.keyboard.press("End")
    assert int(slider.input_value()) == len(rows) - 1
    page.keyboard.press("ArrowRight")
    assert int(slider.input_value()) == len(rows) - 1
    page.keyboard.press("Home")
    slider.fill(str(at))  # as the mouse does
    assert picture.get_attribute("href") == before
    told = page.locator("#viewer-dice").text_content()
    assert f"ensemble {rows['dice'].iloc[at]:.3f}" in told
    bars = page.locator("#viewer-bars rect.ensemble")
    assert bars.count() == (rows["case"] != "both_empty").sum()
    box = page.locator("#viewer-bars").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.5 / len(rows), box["y"] + 5)
    assert slider.input_value() == "0"
    assert "no tumour, none marked" in page.locator("#viewer-dice").text_content()


def test_contours_and_probability_switch(page: Any):
    show(page)
    for key, part in (("1", "truth"), ("2", "unet"), ("3", "unetpp"), ("4", "ensemble")):
        line, box = page.locator(f"#line-{part}"), page.locator(f'[data-show="{part}"]')
        assert bool(line.get_attribute("d")) == box.is_checked() == (part != "ensemble")
        box.click()
        assert bool(line.get_attribute("d")) == box.is_checked() == (part == "ensemble")
        page.keyboard.press(key)
        assert box.is_checked() == (part != "ensemble")
    assert page.locator("#viewer-soft").get_attribute("href") is None
    page.keyboard.press("5")
    page.wait_for_function("document.getElementById('viewer-soft').getAttribute('href')?.startsWith('data:image/png')")
    page.locator('[data-show="soft"]').click()
    assert page.locator("#viewer-soft").get_attribute("href") is None


def test_the_outline_lies_on_the_tumour(page: Any, run: Path):
    """The truth's outline has the area that the slice has in the committed table."""
    names = column(page, 1)
    sizes = [slices_of(run, name)["tumour_px"].max() for name in names]
    show(page, int(np.argmax(sizes)))
    path = page.locator("#line-truth").get_attribute("d")
    area = 0.0
    for part in re.findall(r"M([^Z]*)Z", path):
        x, y = np.array([point.split(",") for point in part.split()], float).T
        area += abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
    assert area == pytest.approx(max(sizes), rel=0.1)  # corners are cut


def test_escape_and_the_button_close_it_and_the_keyboard_alone_is_enough(page: Any):
    button = page.locator("#patient-table [data-open]").first
    button.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "viewer-slice"
    page.keyboard.press("Escape")
    assert not page.locator("#viewer").is_visible()
    assert page.evaluate("document.activeElement.dataset.open") == button.text_content()
    button.click()
    page.locator("#viewer-close").click()
    assert not page.locator("#viewer").is_visible()
    reached = set()
    page.locator("body").press("Home")
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.dataset.sort ?? document.activeElement.dataset.open ?? ''"))
    assert len(reached - {""}) == 11 + 3  # every column, every patient


def test_axe_finds_nothing(page: Any):
    from axe_playwright_python.sync_playwright import Axe

    def complaints() -> list[str]:
        return [f"{v['id']}: {v['nodes'][0]['html'][:120]}" for v in Axe().run(page).response["violations"]]

    assert complaints() == []
    show(page)
    assert complaints() == []
    page.keyboard.press("Escape")
    page.emulate_media(color_scheme="dark")
    assert complaints() == []


def test_the_head_shows_the_best_the_median_and_the_worst(page: Any, run: Path):
    shown = page.locator(".ranked figcaption").all_text_contents()
    dice = sorted(dice_of(run, name) for name in column(page, 1))
    assert [
        f"{word}: Dice {value:.3f}" in text
        for word, value, text in zip(("Best", "Median", "Worst"), reversed(dice), shown, strict=True)
    ] == [True] * 3
    page.locator(".ranked [data-open]").last.click()
    assert page.locator("#viewer").is_visible()
    assert page.locator("#viewer-title").text_content() in shown[2]
    assert page.locator(".lead strong").text_content() == f"{np.mean(dice):.3f}"


def test_printing_opens_what_is_folded(page: Any):
    assert not page.locator("#genomics details").first.evaluate("part => part.open")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#genomics details").first.evaluate("part => part.open")
    assert page.locator("[data-figure]:not([data-drawn])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
