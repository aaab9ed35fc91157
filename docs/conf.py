"""How the site is built: `make docs` calls Sphinx with this file. Every warning is an error."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [
    str(ROOT),
    str(HERE / "_ext"),
]  # the stages and what makes the reference are run from a checkout, not installed

import brainseg  # noqa: E402
from release.links import broken  # noqa: E402
from release.reference import write_reference  # noqa: E402

write_reference(HERE / "reference", ROOT / "params.yaml")

project = "brainseg"
author = "The brainseg authors"
copyright = "The brainseg authors. Code under the MIT licence"
release = version = brainseg.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["tutorials/*.md", "tutorials/*.rst", "gallery/**/*.ipynb", "gallery/**/*.py"]
default_role = "literal"
highlight_language = "none"  # most blocks are commands
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

# Python's own pages would have to be asked over the network: names of other packages are not linked.
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
# Arrays by their short names, which the first page of the Python reference explains.
autodoc_type_aliases = {
    name: name for name in ("U8", "F32", "Bool", "Int", "Float", "Float64", "Points", "Image", "Spacing")
}
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_use_unqualified_type_names = True
viewcode_follow_imported_members = False  # the code's pages would lead back to names that only the package has
# Two rooms may have a class of one name. Sphinx then links the first and warns; nothing else is of this kind.
suppress_warnings = ["ref.python"]

sphinx_gallery_conf = {
    "examples_dirs": "tutorials",
    "gallery_dirs": "gallery",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "abort_on_example_error": True,
    "capture_repr": ("_repr_html_",),
    "min_reported_time": 3600,  # how long a tutorial took depends on the machine
    "remove_config_comments": True,
    "write_computation_times": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "brainseg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 8,
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["search-button"],
    "secondary_sidebar_items": {
        "**": ["page-toc"],
        "reference/parameters": [],  # the width is for the tables
        "reference/commands": [],
    },
    "show_prev_next": True,
    "show_nav_level": 1,
    "footer_start": ["copyright"],
    "footer_end": ["research-only"],
    "search_as_you_type": True,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
templates_path = ["_templates"]


def _copy_viewer(app: object, failed: Exception | None) -> None:
    """NiiVue, which the package ships, for the pages that show a volume."""
    if failed is None:
        target = Path(app.outdir) / "_static" / "niivue"  # type: ignore[attr-defined]
        shutil.copytree(ROOT / "brainseg" / "view" / "page" / "vendor", target, dirs_exist_ok=True)


def _check_links(app: object, failed: Exception | None) -> None:
    """Sphinx looks at its own references; this looks at every link of every page, pictures and downloads included."""
    from sphinx.errors import SphinxError

    if failed is None and (found := broken(Path(app.outdir))):  # type: ignore[attr-defined]
        raise SphinxError("links that lead nowhere:\n" + "\n".join(found))


def setup(app: object) -> None:
    """Called by Sphinx."""
    app.connect("build-finished", _copy_viewer)  # type: ignore[attr-defined]
    app.connect("build-finished", _check_links, priority=900)  # type: ignore[attr-defined]
