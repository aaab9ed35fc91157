"""An installed Chromium, driven by Playwright; none is ever downloaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE_MS = 120_000
"""WebGL is drawn by the CPU, on a machine that may have other work."""
PROGRAM = next((found for name in NAMES if (found := shutil.which(name))), None)
needs_chromium = pytest.mark.skipif(
    PROGRAM is None and not os.environ.get("BRAINSEG_REQUIRE_TOOLS"),
    reason="no Chromium is installed (Debian's package: chromium)",
)
"""Where tools are required, as in the hosted checks, a test without Chromium fails instead of being skipped."""


@contextmanager
def launch(*arguments: str) -> Iterator[Any]:
    """A headless browser, closed at the end."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # no sandbox: it needs rights that containers do not give; the pages are our own
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=["--no-sandbox", *arguments])
        yield browser
        browser.close()
