"""DICOM series, read and put in order by highdicom."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from brainseg.data.raw import MASK_SUFFIX
from brainseg.errors import DataError
from brainseg.scans.affine import check_affine, tilt_warnings
from brainseg.scans.axial import axial_size
from brainseg.scans.dicom_checks import Series, check_series, check_together, inverted_by, many_frames
from brainseg.scans.dicom_choice import check_lone, choose
from brainseg.scans.dicom_seg import write_seg
from brainseg.scans.dicom_sequence import look_at
from brainseg.scans.dicom_series import first_header, is_dicom, read_headers, read_pixels
from brainseg.scans.dicom_sr import write_sr
from brainseg.scans.format import Format
from brainseg.scans.geometry import check_field
from brainseg.scans.nifti import NiftiOrigin, file_name, from_nibabel
from brainseg.scans.quiet import overheard
from brainseg.scans.scan import CORRECTED_SUFFIX, Image, Scan
from brainseg.scans.together import Volume, together

if TYPE_CHECKING:  # a scan of TIF slices does not wait for its import
    import nibabel as nib


@dataclass(frozen=True)
class DicomOrigin(NiftiOrigin):
    """The FLAIR's slices, and the volume that they make as a NIfTI image."""

    series: tuple[Any, ...] = ()

    def write(self, out: Path, name: str, maps: Mapping[str, Image], model: str, person: str = "") -> list[str]:
        """The NIfTI files, and `<name>_seg.dcm`, with tumour or without; see `Origin.write`."""
        super().write(out, name, maps, model, person)
        end = CORRECTED_SUFFIX if person else MASK_SUFFIX
        try:
            write_seg(out / _seg_name(name, end), maps[end], self.image, self.series, model, person)
        except DataError as error:
            return [str(error)]
        return []

    def write_report(self, out: Path, name: str, report: Mapping[str, Any]) -> list[str]:
        """`<name>_sr.dcm`, which refers to the SEG; see `Origin.write_report`."""
        if not (seg := out / _seg_name(name, MASK_SUFFIX)).exists():
            return []  # why, a warning has said
        try:
            write_sr(out / _sr_name(name), seg, self.series, report)
        except DataError as error:
            return [str(error)]
        return []


@dataclass(frozen=True)
class DicomFormat(Format):
    """Folders of one series, or of a study; or one for each sequence.

    Attributes:
        rules: which series is which sequence, where the user has said so; see `choose`.
        register: sequences to FLAIR; see `together`.
    """

    rules: Mapping[str, str] = field(default_factory=dict)
    register: bool = False

    inputs = "a DICOM folder"
    folder = "DICOM"
    sequences = "DICOM folders"

    def cases(self, path: Path) -> list[Path]:
        """See `Format.cases`; folders of different patients, or of one's studies of different days, are a case each."""
        if not path.is_dir():
            return []
        if any(map(is_dicom, path.iterdir())):
            return [path]
        try:
            heads = {inner: first_header(inner) for inner in sorted(path.iterdir()) if inner.is_dir()}
        except DataError:
            return [path]  # reading it says what is damaged
        people = {inner: _person(head) for inner, head in heads.items() if head is not None}
        if len(set(people.values())) < len(people):
            return [path]
        inner = [case for folder in people for case in self.cases(folder)]
        return inner if len(inner) != 1 else [path]

    def choosing(self, rules: Mapping[str, str]) -> Format:
        return replace(self, rules=rules)

    def takes(self, path: Path) -> bool:
        """See `Format.takes`; a folder without DICOM is refused when it is read."""
        return path.is_dir()

    def advice(self, path: Path) -> str:
        return f"{path} is no NIfTI file; name its folder, which is the case." if is_dicom(path) else ""

    def read(self, paths: Mapping[str, Path], name: str, *, truth: bool, trust: bool) -> Scan:
        return read_dicom(paths, name, trust=trust, rules=self.rules, register=self.register)

    def registering(self) -> Format:
        return replace(self, register=True)

    def planned(self, name: str, flair: Path, ends: Sequence[str]) -> list[str]:
        report = [_sr_name(name)] if ends[0] == MASK_SUFFIX else []  # it tells of the automatic mask
        return [*(file_name(name, end) for end in ends), _seg_name(name, ends[0]), *report]


def _seg_name(name: str, end: str) -> str:
    return f"{name}{'' if end == MASK_SUFFIX else end}_seg.dcm"


def _sr_name(name: str) -> str:
    return f"{name}_sr.dcm"


def _person(head: Any) -> tuple[str, str]:
    return str(head.get("PatientID") or ""), str(head.get("StudyDate") or "")


def read_dicom(
    folders: Mapping[str, Path],
    name: str | None = None,
    *,
    trust: bool = False,
    rules: Mapping[str, str] | None = None,
    register: bool = False,
) -> Scan:
    """Read FLAIR, and pre- and post-contrast where given or recognised, into an axial stack.

    Args:
        folders: `flair` and any of `pre`, `post`. `flair` alone may be a study, with series in folders of their own or
            not: see `choose`.
        name: of the case; that of the folder if None.
        trust: take doubts for warnings.
        rules: which series of a study is which sequence; see `choose`.
        register: to FLAIR, see `together`.

    Raises:
        DataError: no DICOM, series that cannot be told apart, slices missing or of several orientations, or values
            that are no picture.
        NotTrusted: no MR, no FLAIR, several patients or studies, or sizes of no head.
    """
    said: list[str] = []
    with overheard(said, str(folders["flair"])):
        scan = _read(folders, name, trust, rules or {}, register)
    return replace(scan, warnings=(*scan.warnings, *said))


def _read(folders: Mapping[str, Path], name: str | None, trust: bool, rules: Mapping[str, str], register: bool) -> Scan:
    warnings: list[str] = []
    notes: list[str] = []
    if len(folders) == 1:
        found = choose(folders["flair"], read_headers(folders["flair"]), rules, trust, warnings, notes)
    else:
        found = {key: _only_series(folder) for key, folder in folders.items()}
        check_lone(folders["flair"], look_at(found["flair"]), trust, warnings)
    found = {key: read_pixels(series) for key, series in found.items()}
    where = {key: folders.get(key, folders["flair"]) for key in found}
    check_together(found, folders["flair"], trust, warnings)
    images = {key: _volume(where[key], datasets, trust, warnings) for key, datasets in found.items()}
    volumes = {
        key: Volume(np.asarray(image.dataobj), image, f"the {key} series in {where[key]}")
        for key, image in images.items()
    }
    sequences, motions = together(volumes, register, warnings)
    origin = DicomOrigin(images["flair"], series=tuple(found["flair"]))
    sources = tuple(dict.fromkeys(folders.values()))
    scan = from_nibabel(name or folders["flair"].name, sequences, sources, warnings, origin)
    return replace(scan, notes=tuple(notes), motions=motions)


def _only_series(folder: Path) -> Series:
    """The one series of a folder that stands for one sequence.

    Raises:
        DataError: there are several.
    """
    series = read_headers(folder)
    if len(series) > 1:
        names = "; ".join(sorted(repr(look_at(other).title) for other in series))
        raise DataError(f"{folder} holds {len(series)} series ({names}), expected one; put them into folders.")
    return series[0]


def _volume(folder: Path, datasets: Series, trust: bool, warnings: list[str]) -> nib.Nifti1Image:
    """Sort the slices by position and stack them, with rescaling, bright as the file means it."""
    import highdicom
    from nibabel import Nifti1Image

    check_series(folder, datasets, trust, warnings)
    how: Any = {"dtype": np.float32, "apply_presentation_lut": False}
    try:
        if many_frames(datasets[0]):
            image = highdicom.image.Image.from_dataset(datasets[0]).get_volume(**how).to_nibabel()
        elif len(datasets) == 1:
            image = _single(folder, datasets[0], warnings)
        else:
            image = highdicom.get_volume_from_series(datasets, rtol=0.05, **how).to_nibabel()
    except (DataError, MemoryError):
        raise
    except Exception as error:  # pydicom and highdicom raise many kinds on headers that lie
        why = f" ({' '.join(str(error).split())[:200]})" if isinstance(error, ValueError) else ""
        raise DataError(
            f"the slices in {folder} do not make a volume{why}; expected one series of parallel slices of one size, "
            "evenly spaced."
        ) from None
    check_affine(image, f"the series in {folder}")
    check_field(*axial_size(image), f"the series in {folder}", trust, warnings)
    warnings.extend(tilt_warnings(image, f"the series in {folder}"))
    if not (why := inverted_by(datasets[0])):
        return image
    warnings.append(f"the series in {folder} stores white as its lowest value ({why}): inverted")
    values = np.asarray(image.dataobj)
    return Nifti1Image(values.max() + values.min() - values, image.affine)


def _single(folder: Path, dataset: Any, warnings: list[str]) -> nib.Nifti1Image:
    """One slice alone; its thickness stands for the distance."""
    from nibabel import Nifti1Image

    thickness = float(dataset.get("SliceThickness") or 0)
    if not thickness:
        warnings.append(f"the only slice in {folder} does not say its thickness: volumes are those of 1 mm")
        thickness = 1.0
    if not (math.isfinite(thickness) and thickness > 0):
        raise DataError(f"the only slice in {folder} has a thickness of {thickness:g} mm; export it again.")
    affine = np.eye(4)
    across, down = np.array(dataset.ImageOrientationPatient, float).reshape(2, 3)
    rows_mm, columns_mm = map(float, dataset.PixelSpacing)
    affine[:3, :3] = np.stack([across * columns_mm, down * rows_mm, np.cross(across, down) * thickness], 1)
    affine[:3, 3] = np.array(dataset.ImagePositionPatient, float)
    values = dataset.pixel_array.astype(np.float32) * float(dataset.get("RescaleSlope", 1))
    values += float(dataset.get("RescaleIntercept", 0))
    return Nifti1Image(values.T[..., None], np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)
