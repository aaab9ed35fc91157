"""Links within the built site: docs/conf.py has them looked at, and fails where one is broken."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

NOT_PAGES = ("_static/", "_modules/")
"""The theme's templates, which nobody fills, and copies of the code."""


class _Page(HTMLParser):
    """The places and links of one page."""

    def __init__(self, text: str):
        super().__init__()
        self.places: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and name in ("id", "name"):
                self.places.add(value)
            elif value and name in ("href", "src"):
                self.links.append(value)


def broken(site: Path) -> list[str]:
    """Links that lead nowhere: page and link, sorted. Addresses of other sites are not asked."""
    site = site.resolve()
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    found = set()
    for path, page in pages.items():
        name = path.relative_to(site).as_posix()
        for link in page.links if not name.startswith(NOT_PAGES) else ():
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            place = unquote(parts.fragment)
            if not target.exists() or (place and target in pages and place not in pages[target].places):
                found.add(f"{name}: {link}")
    return sorted(found)
