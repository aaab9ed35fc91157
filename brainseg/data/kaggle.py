"""The public download from Kaggle, at a pinned version, without credentials."""

from __future__ import annotations

import contextlib
import os
import tarfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from brainseg.errors import DataError, UserError

HANDLE = "mateuszbuda/lgg-mri-segmentation/versions/2"
PAGE = "https://www.kaggle.com/datasets/mateuszbuda/lgg-mri-segmentation"
ATTEMPTS = 4
FIRST_WAIT_S = 2.0


def download(cache: Path) -> Path:
    """Download the dataset through kagglehub, which shows the progress, resumes, and keeps what it got.

    Args:
        cache: where to keep it, unless the environment variable KAGGLEHUB_CACHE names a place.

    Returns:
        The folder of the unpacked archive, not verified; for reading only.

    Raises:
        UserError: not delivered; names the ways without a network.
        DataError: the archive that was delivered does not unpack.
    """
    import kagglehub
    from kagglehub.exceptions import BackendError, DataCorruptionError
    from requests import RequestException

    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(FIRST_WAIT_S * 2 ** (attempt - 1))
        try:
            with _kagglehub_cache(cache):
                return Path(kagglehub.dataset_download(HANDLE))
        except (RequestException, BackendError, DataCorruptionError) as error:
            why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            if _is_final(error):
                break
        except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
            raise DataError(
                f"Kaggle's archive does not unpack ({error}); remove {kept(cache)} and run download again."
            ) from None
    raise UserError(
        f"Kaggle did not deliver {HANDLE} in {attempt + 1} attempts ({why}); check the network and run "
        f"download again, or get the archive from {PAGE} by other means and set download.path and "
        "download.source=archive (or folder, if unpacked)."
    )


def _is_final(error: Exception) -> bool:
    """True if another attempt will not help: 4xx, but for 408 (timeout) and 429 (too many requests)."""
    status = getattr(getattr(error, "response", None), "status_code", 0)
    return 400 <= status < 500 and status not in (408, 429)


def kept(cache: Path) -> Path:
    """The folder where kagglehub keeps its downloads: the user's choice, or `cache`."""
    return Path(os.environ.get("KAGGLEHUB_CACHE") or cache).resolve()


@contextlib.contextmanager
def _kagglehub_cache(cache: Path) -> Iterator[None]:
    before = os.environ.get("KAGGLEHUB_CACHE")
    os.environ["KAGGLEHUB_CACHE"] = str(kept(cache))
    try:
        yield
    finally:
        if before is None:
            del os.environ["KAGGLEHUB_CACHE"]
        else:
            os.environ["KAGGLEHUB_CACHE"] = before
