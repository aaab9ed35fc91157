"""Whether the folder that the raw tree was copied from still holds the same slices.

DVC cannot look: the folder is no dependency of `download`, since experiments and clones run without it.
"""

from __future__ import annotations

from pathlib import Path

from brainseg.data.raw import TREE
from brainseg.data.sources import DownloadParams, find_tree
from brainseg.errors import DataError

AGAIN = "run `dvc repro --single-item --force download`, then `dvc repro`"


def changed_since(params: DownloadParams, raw: Path) -> str:
    """What `download.path` holds that the raw tree does not, or the other way round, by names and sizes.

    Args:
        params: section `download`.
        raw: the raw tree that `fetch` wrote.

    Returns:
        A sentence; empty where nothing differs, where either is not here, and for sources that are no folder.
    """
    source = Path(params.path or "").expanduser()
    if params.source != "folder" or not source.is_dir() or not (raw / TREE).is_dir():
        return ""
    try:
        there, here = _sizes(find_tree(source)), _sizes(raw / TREE)
    except DataError:  # no patients there any more: whoever removes the original keeps the copy
        return ""
    more, fewer = there.keys() - here.keys(), here.keys() - there.keys()
    other = {name for name in there.keys() & here.keys() if there[name] != here[name]}
    if not more | fewer | other:
        return ""
    counted = ((more, "are new"), (fewer, "are gone"), (other, "have another size"))
    said = ", ".join(f"{len(names)} {what}" for names, what in counted if names)
    first = min(more | fewer | other)
    return (
        f"{source} has changed since {raw} was made of it (slices: {said}; the first is {first}), and everything "
        f"here is of {raw}; to take the change in, {AGAIN}."
    )


def _sizes(tree: Path) -> dict[str, int]:
    """Bytes of each slice, by patient and name, as `fetch` copies them."""
    return {
        path.relative_to(tree).as_posix(): path.stat().st_size
        for path in tree.glob("[!.]*/[!.]*")
        if path.suffix.lower() in {".tif", ".tiff"} and path.is_file()
    }
