"""Studies from an archive that speaks DICOMweb, and results back into it."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pydicom
from dicomweb_client import DICOMwebClient

from brainseg.cohort.outputs import record_name
from brainseg.cohort.records import are_there, read_record
from brainseg.errors import DataError
from brainseg.files import atomic_folder
from brainseg.scans.cases import Case
from brainseg.terminal import say

FOLDER = "dicomweb"
"""In --out; the studies stay there, since `view`, `edit` and `verify` read the scan again."""
TOKEN = "BRAINSEG_DICOMWEB_TOKEN"
_UID = re.compile(r"(?=.{1,64}$)[0-9]+([.][0-9]+)*")
_REFUSED = (401, 403)
_SERIES_UID, _MODALITY = "0020000E", "00080060"


class Archive:
    """One server.

    Args:
        url: of its DICOMweb service, e.g. `http://localhost:8042/dicom-web`. The environment's
            `BRAINSEG_DICOMWEB_TOKEN` is sent as a bearer token where it is set.
        studies: Study Instance UIDs.

    Raises:
        DataError: it is no address, or a study is no UID.
    """

    def __init__(self, url: str, studies: Sequence[str]):
        self.url, self.studies = url, list(dict.fromkeys(studies))
        for study in self.studies:
            if not _UID.fullmatch(study):
                raise DataError(f"--study {study} is no UID; expected digits and dots.")
        token = os.environ.get(TOKEN)
        try:
            self._client = DICOMwebClient(url, headers={"Authorization": f"Bearer {token}"} if token else None)
        except ValueError:
            raise DataError(f"--dicomweb {url} is no address; expected one like http://host:8042/dicom-web.") from None

    @classmethod
    def named(cls, url: str | None, studies: Sequence[str]) -> Archive:
        """What the options name.

        Raises:
            DataError: one of them is missing.
        """
        if not url:
            raise DataError("--study and --store need --dicomweb URL, the address of the archive's DICOMweb service.")
        if not studies:
            raise DataError(f"--dicomweb {url} needs --study UID, the Study Instance UID to segment.")
        return cls(url, studies)

    def fetch_all(self, out: Path) -> list[Path]:
        """The folders of all studies, and a line about each; see `fetch`."""
        folders = []
        for study in self.studies:
            folder, now = self.fetch(study, out)
            say(f"{folder}: {'fetched' if now else 'fetched before; remove it to fetch the study again'}")
            folders.append(folder)
        return folders

    def store_all(self, cases: Sequence[Case], out: Path) -> None:
        """Send SEG and SR of those of the cases that are studies of this archive and are segmented.

        Raises:
            DataError: see `store`; or a result was changed since brainseg wrote it.
        """
        for case in cases:
            if case.name not in self.studies:
                continue
            record = read_record(out / record_name(case.name), case.name)
            files = [out / name for name in sorted(record.files) if name.endswith(".dcm")]
            if not (record.whole and files):
                say(f"{case.name}: nothing to store", err=True)
                continue
            if not are_there(out, record.files):
                raise DataError(f"files of {case.name} in {out} were changed since predict wrote them; predict again.")
            self.store(files)
            say(f"{case.name}: {', '.join(path.name for path in files)} stored at {self.url}")

    def fetch(self, study: str, out: Path) -> tuple[Path, bool]:
        """The MR series of a study, as files.

        Args:
            study: its Study Instance UID.
            out: folder of the results; the files go to `out/dicomweb/<study>`, whole or not at all.

        Returns:
            The folder, and whether it was fetched now; a folder with files in it is one of an earlier run.

        Raises:
            DataError: no such study, none of MR, or the server does not answer or refuses.
        """
        folder = out / FOLDER / study
        if folder.is_dir() and any(folder.iterdir()):
            return folder, False
        with self._answering(f"the study {study}"):
            found = self._client.search_for_series(study)
            series = [_value(entry, _SERIES_UID) for entry in found if _value(entry, _MODALITY) == "MR"]
            if not series:
                others = sorted({_value(entry, _MODALITY) or "?" for entry in found})
                has = f"only {', '.join(others)}" if others else "nothing"
                raise DataError(f"{self.url} has {has} of the study {study}, expected series of MR; correct --study.")
            folder.parent.mkdir(parents=True, exist_ok=True)
            with atomic_folder(folder) as files:
                for uid in map(self._checked, series):
                    for dataset in self._client.iter_series(study, uid):
                        name = self._checked(str(dataset.get("SOPInstanceUID", "")))
                        dataset.save_as(files / f"{name}.dcm", enforce_file_format=True)
        return folder, True

    def _checked(self, uid: str) -> str:
        """A UID that the server gave: another text could be a path."""
        if not _UID.fullmatch(uid):
            raise DataError(f"{self.url} names a series or an image {uid!r}, expected a UID; tell who keeps it.")
        return uid

    def store(self, paths: Sequence[Path]) -> None:
        """Send files.

        Raises:
            DataError: the server does not answer, or refuses one.
        """
        names = ", ".join(path.name for path in paths)
        with self._answering(names):
            answer = self._client.store_instances([pydicom.dcmread(path) for path in paths])
            if answer is not None and (refused := getattr(answer, "FailedSOPSequence", None)):
                code = getattr(refused[0], "FailureReason", "unknown")
                raise DataError(
                    f"{self.url} did not store {len(refused)} of {names} (reason {code}); ask who keeps it."
                )

    @contextmanager
    def _answering(self, what: str) -> Iterator[None]:
        """Say in a sentence what the server does not do."""
        from requests import ConnectionError as NoConnection
        from requests import HTTPError, RequestException

        log = logging.getLogger("dicomweb_client")
        before, log.disabled = log.disabled, True  # it would say the same in its own words
        try:
            yield
        except HTTPError as error:
            status = error.response.status_code if error.response is not None else 0
            if status in _REFUSED:
                raise DataError(
                    f"{self.url} refuses access (HTTP {status}); put a token into the variable {TOKEN}."
                ) from None
            raise DataError(f"{self.url} answers HTTP {status} about {what}; check --dicomweb and --study.") from None
        except NoConnection:
            raise DataError(f"no server answers at {self.url}; check --dicomweb, and that it runs.") from None
        except ValueError:  # no JSON, or no parts
            raise DataError(f"{self.url} does not answer as DICOMweb does; check --dicomweb.") from None
        except RequestException as error:
            kind = type(error).__name__
            raise DataError(f"{self.url} broke off at {what} ({kind}); the same command tries again.") from None
        finally:
            log.disabled = before


def _value(entry: Any, tag: str) -> str:
    return str((entry.get(tag, {}).get("Value") or [""])[0])
