"""A broken link is named, whether its page or its place on the page is missing."""

from __future__ import annotations

from pathlib import Path

from release.links import broken


def test_broken_links_are_named_and_good_ones_are_not(tmp_path: Path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static" / "a b.png").write_bytes(b"")
    (tmp_path / "_static" / "theme.html").write_text('<a href="{{ nowhere }}">')
    (tmp_path / "index.html").write_text(
        '<h1 id="top"></h1><a href="#top"></a><a href="sub/page.html#here"></a><img src="_static/a%20b.png">'
        '<a href="https://example.org/nothing"></a><a href="mailto:a@b"></a><a href="sub/"></a>'
        '<a href="gone.html"></a><a href="sub/page.html#gone"></a><img src="gone.png">'
    )
    (tmp_path / "sub" / "index.html").write_text("")
    (tmp_path / "sub" / "page.html").write_text('<a name="here"></a><a href="../index.html#top"></a>')
    assert broken(tmp_path) == ["index.html: gone.html", "index.html: gone.png", "index.html: sub/page.html#gone"]
