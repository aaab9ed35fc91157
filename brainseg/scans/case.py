"""One scan to be read: its name, its format and its files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from brainseg.errors import DataError
from brainseg.files import sha256
from brainseg.scans.format import Format
from brainseg.scans.formats import FORMATS
from brainseg.scans.scan import Scan


@dataclass(frozen=True)
class Case:
    """One scan to be read.

    Attributes:
        name: names the output and the scan; one plain part of a path.
        kind: its format's name in `FORMATS`.
        paths: `flair` and any of `pre`, `post`; one folder of TIF slices, or one slice, stands under `flair`.
        left: files beside them that are not used.
        problem: why there is nothing to read, in a sentence; the folder stands under `flair` then. Such a case fails by
            itself, and the others of its cohort are segmented.
        series: which series of a DICOM study is which sequence, where the user has said so.
        truth: NIfTI file of its true mask, where the user has named one.
    """

    name: str
    kind: str
    paths: Mapping[str, Path]
    left: tuple[Path, ...] = ()
    problem: str = ""
    series: Mapping[str, str] = field(default_factory=dict)
    truth: Path | None = None

    @property
    def format(self) -> Format:
        """Of the files."""
        known = FORMATS[self.kind]
        return known.choosing(self.series) if self.series else known

    @property
    def places(self) -> dict[str, str]:
        """Where its files lie, whatever folder the command was started in."""
        return {key: os.path.abspath(path) for key, path in self.paths.items()}

    @cached_property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of its files' names and bytes, masks beside TIF slices included; worked out once.

        Series that were chosen count, too.
        """
        entries = [
            (key, str(file.relative_to(path if path.is_dir() else path.parent)), sha256(file))
            for key, path in sorted(self.paths.items())
            for file in self.format.files(path)
        ]
        entries += [("series", key, rule) for key, rule in sorted(self.series.items())]
        return hashlib.sha256(json.dumps(entries).encode()).hexdigest()

    def read(self, *, truth: bool = False, trust: bool = False) -> Scan:
        """Read the scan; `truth` reads the masks beside TIF slices, too; `trust` takes doubts for warnings.

        Raises:
            DataError: the files are not what they should be, or there can be no truth.
            NotTrusted: the files are probably not what they are taken for.
        """
        if truth and not self.format.truth:
            known = " or ".join(known.truth for known in FORMATS.values() if known.truth)
            raise DataError(f"{self.paths['flair']} is no {known}.")
        return self.format.read(self.paths, self.name, truth=truth, trust=trust)
