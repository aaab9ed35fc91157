"""Where the raw tree comes from: Kaggle, an archive, a folder, or the built-in synthetic patients."""

from __future__ import annotations

import errno
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationInfo, field_validator

from brainseg.data import archives, kaggle, manifest
from brainseg.data.collected import RECORD, read_collected
from brainseg.data.phantom import PhantomParams
from brainseg.data.raw import TREE, RawSlice, barcode, list_patients, list_slices, read_tif
from brainseg.errors import DataError, UserError
from brainseg.files import atomic_folder
from brainseg.params import Params
from brainseg.progress import progress

_TEXTS = ("data.csv", "README.md")


class DownloadParams(Params):
    """Section `download` of params.yaml.

    Attributes:
        source: `kaggle` (the pinned public version), `archive` (zip or tar as the site gives it), `folder`
            (an unpacked copy) or `phantom` (synthetic patients).
        path: the archive or the folder, relative to the working directory; unused otherwise, and may be null then.
        phantom: what to synthesise; unused otherwise.
    """

    source: Literal["kaggle", "archive", "folder", "phantom"]
    path: str | None
    phantom: PhantomParams

    @field_validator("path")
    @classmethod
    def _path_where_needed(cls, path: str | None, info: ValidationInfo) -> str | None:
        source = info.data.get("source")
        if source in ("archive", "folder") and not path:
            raise ValueError(f"download.source={source} needs the path of the {source}")
        if "\0" in (path or ""):
            raise ValueError("it has a character that no path can have")
        try:
            Path(path or "").expanduser()
        except RuntimeError:
            raise ValueError(f"{path} names a user who is not known here; give the path in full") from None
        return path


def fetch(params: DownloadParams, seed: int, out: Path, cache: Path) -> dict[str, Any]:
    """Write the raw tree `out/kaggle_3m`, whole or not at all.

    Every file of a patient that the manifest knows is compared with it, unless `brainseg collect` made the folder and
    its record says that the patient's mask is a person's own; the record is copied, too. A subset of the patients is
    accepted from an archive or a folder, and so are patients of one's own in the same layout; Kaggle must
    give the whole dataset. What is not a slice, `data.csv` or `README.md` is left behind.

    Args:
        params: section `download`.
        seed: seed of the synthetic patients.
        out: folder to make; it may be there if it is empty.
        cache: where Kaggle's download is kept, and resumed from, unless KAGGLEHUB_CACHE says otherwise.

    Returns:
        `source`, `patients`, `slices`, `verified` (files that match the manifest), `unknown` (files of
        patients of whom the manifest has no digest) and `whole` (all 110 patients, 3929 slices, 1373 with
        tumour).

    Raises:
        DatasetError: files of known patients are missing, damaged or foreign; all are listed.
        DataError: the source is absent, unreadable, unsafe or not in the dataset's layout.
        UserError: no network, no space, no permission.
    """
    local = _local(params, out)
    own = read_collected(local) if params.source == "folder" else frozenset()
    try:
        with atomic_folder(out) as raw:
            if params.source == "phantom":
                from brainseg.data.phantom import write_phantom

                write_phantom(raw, params.phantom, seed)
            elif params.source == "archive":
                archives.extract(local, raw / TREE)
            else:
                _copy(find_tree(kaggle.download(cache) if params.source == "kaggle" else local), raw / TREE)
            if own:
                shutil.copyfile(local.resolve().parent / RECORD, raw / RECORD)
            return _summary(params.source, raw, cache, own)
    except OSError as error:
        raise _system_error(error, out) from None


def _summary(source: str, raw: Path, cache: Path, own: frozenset[str]) -> dict[str, Any]:
    published = manifest.load()
    known = replace(published, files={name: files for name, files in published.files.items() if name not in own})
    folders = list_patients(raw)
    entries = [entry for folder in folders for entry in list_slices(folder)[0]]
    slices = sum(entry.image is not None for entry in entries)
    again = f"remove {kaggle.kept(cache)} and run download again" if source == "kaggle" else "get another copy"
    if source == "phantom":  # nothing was published to compare with
        verified, unknown = 0, sum((entry.image is not None) + (entry.mask is not None) for entry in entries)
    else:
        verified, unknown = manifest.verify(raw, known, again)
    counts = {barcode(folder.name) for folder in folders} == known.barcodes and slices == known.slices
    tumour = sum(_has_tumour(entry) for entry in entries) if counts or source == "kaggle" else 0
    whole = counts and tumour == known.slices_with_tumour and not own
    if source == "kaggle" and not whole:
        raise DataError(
            f"Kaggle delivered {len(folders)} patients and {slices} slices, {tumour} with tumour, expected "
            f"the {len(known.barcodes)} published patients and {known.slices} slices, "
            f"{known.slices_with_tumour} with tumour; {again}."
        )
    return {
        "source": source,
        "patients": len(folders),
        "slices": slices,
        "verified": verified,
        "unknown": unknown,
        "whole": whole,
    }


def _has_tumour(entry: RawSlice) -> bool:
    """False, too, for a mask that cannot be read: the integrity check lists all of these."""
    try:
        return entry.mask is not None and bool(read_tif(entry.mask).any())
    except DataError:
        return False


def find_tree(folder: Path) -> Path:
    """The folder of patients: `folder` itself, or the shallowest `kaggle_3m` up to two levels below it.

    Raises:
        DataError: there is none, or two at the same depth.
    """
    if _has_slices(folder):
        return folder
    for pattern in (TREE, f"*/{TREE}", f"*/*/{TREE}"):
        found = sorted(path for path in folder.glob(pattern) if _has_slices(path))
        if len(found) > 1:
            raise DataError(f"{folder} holds {found[0]} and {found[1]}; set download.path to one of them.")
        if found:
            return found[0]
    raise DataError(
        f"{folder} holds no patients, expected {TREE}/<patient>/<patient>_<slice>.tif in it; correct download.path."
    )


def _has_slices(tree: Path) -> bool:
    return any(_is_slice(path) for path in tree.glob("*/*"))


def _is_slice(path: Path) -> bool:
    return path.suffix.lower() in {".tif", ".tiff"} and not path.name.startswith(".") and path.is_file()


def _copy(source: Path, tree: Path) -> None:
    """Copy slices and texts: a link would let a later change of the raw tree reach the user's original."""
    files = [source / name for name in _TEXTS if (source / name).is_file()]
    for folder in sorted(source.iterdir()):
        if not folder.is_dir() or folder.name.startswith("."):
            continue
        slices = sorted(path for path in folder.iterdir() if _is_slice(path))
        if not slices:
            raise DataError(f"{folder} holds no <patient>_<slice>.tif; restore or remove that folder.")
        files += slices
    archives.check_space(tree, sum(path.stat().st_size for path in files))
    for path in progress(files, "Copying"):
        target = tree / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def _local(params: DownloadParams, out: Path) -> Path:
    """The archive or folder of patients that `download.path` names; an empty path for other sources."""
    if params.source not in ("archive", "folder"):
        return Path()
    path = Path(params.path or "").expanduser()
    if not path.exists():
        raise DataError(
            f"download.path {path} does not exist in {Path.cwd()}; put the {params.source} there, or set "
            "download.source to kaggle (public download, no account) or phantom (synthetic patients)."
        )
    if path.is_dir() != (params.source == "folder"):
        kind, other = ("a folder", "folder") if path.is_dir() else ("a file", "archive")
        raise DataError(f"download.path {path} is {kind}; set download.source={other} or correct the path.")
    if path.is_dir():
        path = find_tree(path)
    if out.resolve() in (path.resolve(), *path.resolve().parents):
        raise DataError(f"download.path {path} is in {out}, which download replaces; move the data elsewhere.")
    return path


def _system_error(error: OSError, out: Path) -> UserError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(f"The disk of {out} is full; make room and run download again.")
    what = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
    return UserError(f"Download into {out} failed ({what}); correct that and run download again.")
