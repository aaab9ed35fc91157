"""One scan to be read: its name, its format and its files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from brainseg.errors import DataError
from brainseg.files import sha256
from brainseg.scans.format import Format
from brainseg.scans.formats import FORMATS
from brainseg.scans.n4 import without_bias
from brainseg.scans.scan import Scan

REGISTER, N4 = "register", "n4"
"""What the user may ask for: sequences registered to FLAIR, and a smooth brightness across the image taken out."""


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
        changes: `REGISTER`, `N4`: what is to be done with the scan as it is read.
    """

    name: str
    kind: str
    paths: Mapping[str, Path]
    left: tuple[Path, ...] = ()
    problem: str = ""
    series: Mapping[str, str] = field(default_factory=dict)
    truth: Path | None = None
    changes: tuple[str, ...] = ()

    @classmethod
    def recorded(cls, said: Mapping[str, Any]) -> Case:
        """The case of a result, to be read again: from what `<case>.json` says of it."""
        paths = {str(key): Path(place) for key, place in said["input"].items()}
        series = {str(key): rule for key, rule in said.get("series", {}).items()}
        return cls(said["case"], said["kind"], paths, series=series, changes=tuple(said.get("changes", ())))

    @property
    def format(self) -> Format:
        """Of the files."""
        known = FORMATS[self.kind]
        known = known.choosing(self.series) if self.series else known
        return known.registering() if REGISTER in self.changes else known

    @property
    def places(self) -> dict[str, str]:
        """Where its files lie, whatever folder the command was started in."""
        return {key: os.path.abspath(path) for key, path in self.paths.items()}

    @cached_property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of its files' names and bytes, masks beside TIF slices included; worked out once.

        Series that were chosen count, too, and so does what is to be changed.
        """
        entries = [
            (key, str(file.relative_to(path if path.is_dir() else path.parent)), sha256(file))
            for key, path in sorted(self.paths.items())
            for file in self.format.files(path)
        ]
        entries += [("series", key, rule) for key, rule in sorted(self.series.items())]
        entries += [("changes", change, "") for change in self.changes]
        return hashlib.sha256(json.dumps(entries).encode()).hexdigest()

    def read(self, *, truth: bool = False, trust: bool = False) -> Scan:
        """Read the scan; `truth` reads the masks beside TIF slices, too; `trust` takes doubts for warnings.

        Raises:
            DataError: the files are not what they should be, or there can be no truth.
            NotTrusted: the files are probably not what they are taken for.
            UserError: what is asked for needs an extra that is not installed.
        """
        if truth and not self.format.truth:
            known = " or ".join(known.truth for known in FORMATS.values() if known.truth)
            raise DataError(f"{self.paths['flair']} is no {known}; for NIfTI and DICOM name true masks by --truth.")
        scan = self.format.read(self.paths, self.name, truth=truth, trust=trust)
        return without_bias(scan) if N4 in self.changes else scan
