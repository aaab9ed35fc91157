"""What there is to know of one format that scans come in; `formats.FORMATS` is the table of all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from brainseg.errors import DataError
from brainseg.scans.names import folder_name
from brainseg.scans.scan import Scan


@dataclass(frozen=True)
class Shared:
    """Files that the results of a dataset have in common.

    Attributes:
        dataset: where it lies; results of two datasets do not go into one folder.
        files: name within --out -> text.
    """

    dataset: Path
    files: Mapping[str, str]


class Format(ABC):
    """One format: which paths are its own, how they are read, and which files are written back.

    Attributes:
        inputs: what a user may name, as in "a NIfTI file".
        folder: what a folder of it holds, as in "TIF slices"; empty where folders are none of its cases.
        sequences: what `--flair`, `--pre` and `--post` may name, as in "NIfTI files"; empty where nothing.
        truth: what `--score` needs, as the end of "<path> is no ..."; empty where no truth can lie beside a scan.
    """

    inputs: ClassVar[str]
    folder: ClassVar[str] = ""
    sequences: ClassVar[str] = ""
    truth: ClassVar[str] = ""

    @abstractmethod
    def cases(self, path: Path) -> list[Path]:
        """The paths at or in `path` that are a case each; none where `path` is of another format."""

    @abstractmethod
    def read(self, paths: Mapping[str, Path], name: str, *, truth: bool, trust: bool) -> Scan:
        """Read one case.

        Args:
            paths: `flair` and any of `pre`, `post`; a path of `cases` stands under `flair`.
            name: of the case.
            truth: read the masks beside it, too; never asked of a format without `truth`.
            trust: take doubts for warnings.

        Raises:
            DataError: the files are not what they should be.
            NotTrusted: they are probably not what they are taken for.
        """

    @abstractmethod
    def planned(self, name: str, flair: Path, ends: Sequence[str]) -> list[str]:
        """Files that the scan's origin may write, by paths relative to --out; nothing is read for it.

        Args:
            name: of the case.
            flair: its path.
            ends: of the files' names, before their suffix: those of the `maps` of `Origin.write`.
        """

    def tables(self, name: str, report: Mapping[str, Any]) -> dict[str, str]:
        """Files beside the mask that tell of it, by paths that `planned` has: their text.

        Args:
            name: of the case.
            report: what becomes `<case>.json`.
        """
        return {}

    def choosing(self, rules: Mapping[str, str]) -> Format:
        """The same format, which reads the series that the user has chosen.

        Args:
            rules: sequence -> series; not empty.

        Raises:
            DataError: this format has no series.
        """
        raise DataError("--series goes with a folder of DICOM series; leave it out.")

    def registering(self) -> Format:
        """The same format, which registers sequences to FLAIR.

        Raises:
            DataError: its scans have no place in space.
        """
        raise DataError(
            f"--register needs NIfTI or DICOM, and {self.folder} have no place in space; leave it out, or register the "
            "sequences before."
        )

    def shared(self, flairs: Sequence[Path], out: Path) -> Shared | None:
        """Files in `out` that all cases of this format have in common; None where there are none.

        Args:
            flairs: of the cases.
            out: folder of the results.

        Raises:
            DataError: the cases cannot have one folder of results.
        """
        return None

    def name(self, path: Path) -> str:
        """What the case at `path` is called."""
        return folder_name(path) if path.is_dir() else path.stem

    def takes(self, path: Path) -> bool:
        """Whether `--flair`, `--pre` or `--post` may name `path`."""
        return False

    def advice(self, path: Path) -> str:
        """The whole sentence for a path that holds no case where this format knows better; else empty."""
        return ""

    def files(self, path: Path) -> list[Path]:
        """The files that are read of a case at `path`."""
        return [file for file in (sorted(path.rglob("*")) if path.is_dir() else [path]) if file.is_file()]
