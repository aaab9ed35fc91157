"""NIfTI in any orientation, and masks back into exactly its geometry."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from brainseg.data.raw import MASK_SUFFIX
from brainseg.data.slices import Bool, Float64, size_text
from brainseg.errors import DataError, doubt
from brainseg.files import atomic_path
from brainseg.scans.affine import affine_mm, direction_doubts, shear_doubts, size_doubts, tilt_warnings
from brainseg.scans.axial import axial, axial_size, to_stored
from brainseg.scans.format import Format
from brainseg.scans.geometry import check_field
from brainseg.scans.masks import read_mask_file
from brainseg.scans.nifti_file import RGB, SUFFIXES, is_nifti, load
from brainseg.scans.scan import PROBABILITY_SUFFIX, SEQUENCES, Image, Origin, Scan, fill_sequences, missing_warning
from brainseg.scans.together import Volume, together

GRID_MM = 1e-2
"""Two grids that differ by no more are one: programs round affines as they save them."""

if TYPE_CHECKING:  # a scan of TIF slices does not wait for its import
    import nibabel as nib


@dataclass(frozen=True)
class NiftiOrigin(Origin):
    """The FLAIR's image: header, affine and shape are the mask's."""

    image: nib.Nifti1Image

    @property
    def affine(self) -> Float64:
        return affine_mm(self.image)

    def stored(self, stack: Image) -> Image:
        return to_stored(stack, self.image)

    def write(self, out: Path, name: str, maps: Mapping[str, Image], model: str, person: str = "") -> list[str]:
        """`<name>_mask.nii.gz`, uint8 0 and 1, and `<name>_probability.nii.gz`; see `Origin.write`."""
        for end, stack in maps.items():
            write_nifti(out / file_name(name, end), stack, self)
        return []

    def read_mask(self, out: Path, name: str, end: str = MASK_SUFFIX) -> Bool:
        return self.read_mask_at(out / file_name(name, end))

    def read_mask_at(self, path: Path) -> Bool:
        """The mask in one file; see `Origin.read_mask`."""
        image, values = load(path, [])
        if values.shape != self.image.shape[:3] or not np.allclose(affine_mm(image), self.affine, atol=1e-3):
            raise DataError(f"the mask {path} does not lie on the grid of its scan; run brainseg predict again.")
        return axial(values > 0, self.image)

    def read_probability(self, out: Path, name: str) -> Image | None:
        return self.read_probability_at(out / file_name(name, PROBABILITY_SUFFIX))

    def read_probability_at(self, path: Path) -> Image | None:
        """The map in one file; see `Origin.read_probability`."""
        return axial(load(path, [])[1], self.image) if path.is_file() else None

    def read_truth(self, path: Path) -> Bool:
        """See `Origin.read_truth`; the same grid, whatever way round its axes are stored."""
        from nibabel import as_closest_canonical

        mask, image = read_mask_file(path)
        here, there = (as_closest_canonical(grid) for grid in (_grid(self.image), _grid(image)))
        if here.shape != there.shape or not np.allclose(here.affine, there.affine, atol=GRID_MM):
            raise DataError(
                f"the true mask {path} does not lie on the grid of its scan ({size_text(there.shape)} and "
                f"{size_text(here.shape)}, or another place); resample it to the FLAIR."
            )
        return mask


def _grid(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """The image's place and size without its values."""
    from nibabel import Nifti1Image

    return Nifti1Image(np.broadcast_to(np.uint8(0), image.shape[:3]), affine_mm(image))


@dataclass(frozen=True)
class NiftiFormat(Format):
    """Files, each a case; or one for each sequence.

    Attributes:
        register: sequences to FLAIR; see `together`.
    """

    register: bool = False

    inputs = "a NIfTI file"
    folder = "patients' NIfTI files named after their sequences"
    sequences = "NIfTI files"

    def cases(self, path: Path) -> list[Path]:
        return [path] if self.takes(path) else []

    def takes(self, path: Path) -> bool:
        return path.is_file() and is_nifti(path)

    def name(self, path: Path) -> str:
        return stem(path)

    def read(self, paths: Mapping[str, Path], name: str, *, truth: bool, trust: bool) -> Scan:
        return read_nifti(paths, name, trust=trust, register=self.register)

    def registering(self) -> Format:
        return replace(self, register=True)

    def planned(self, name: str, flair: Path, ends: Sequence[str]) -> list[str]:
        return [file_name(name, end) for end in ends]


def file_name(name: str, end: str) -> str:
    """Of what is written for a case; `end` as in `Origin.write`."""
    return f"{name}{end}.nii.gz"


def stem(path: Path) -> str:
    """The file's name without .nii or .nii.gz."""
    for suffix in SUFFIXES:
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.stem


def read_nifti(
    paths: Mapping[str, Path], name: str | None = None, *, trust: bool = False, register: bool = False
) -> Scan:
    """Read FLAIR, and pre- and post-contrast where given, into an axial stack.

    Args:
        paths: `flair` and any of `pre`, `post`. `flair` alone may be one file of three volumes or of RGB voxels,
            in the order pre-contrast, FLAIR, post-contrast. What has another grid than FLAIR is resampled to it.
        name: of the case; that of the FLAIR's file if None.
        trust: take doubts for warnings.
        register: to FLAIR, see `together`.

    Raises:
        DataError: unreadable, truncated, not three axes, NaN, constant, a mask, or no usable geometry.
        NotTrusted: the header says no way or two ways how the head lies, two voxel sizes, or sizes of no head.
    """
    warnings: list[str] = []
    loaded = {key: load(path, warnings, _checked(path, trust, warnings)) for key, path in paths.items()}
    flair, values = loaded["flair"]
    if len(loaded) == 1:
        sequences = _split(paths["flair"], values)
    else:
        sequences = {key: _one_volume(paths[key], values) for key, (_, values) in loaded.items()}
    volumes = {}
    for key, values in sequences.items():
        where = str(paths[key]) if len(loaded) > 1 or len(sequences) == 1 else f"{key} of {paths['flair']}"
        volumes[key] = Volume(values, loaded[key if key in loaded else "flair"][0], where)
    placed, motions = together(volumes, register, warnings)
    scan = from_nibabel(name or stem(paths["flair"]), placed, tuple(paths.values()), warnings, NiftiOrigin(flair))
    return replace(scan, motions=motions)


def _checked(path: Path, trust: bool, warnings: list[str]) -> Callable[[nib.Nifti1Image], None]:
    """Look at the geometry before the voxels are read."""

    def check(image: nib.Nifti1Image) -> None:
        where = str(path)
        for sentence in (*direction_doubts(image, where), *size_doubts(image, where), *shear_doubts(image, where)):
            doubt(sentence, trust, warnings)
        check_field(*axial_size(image), where, trust, warnings)
        warnings.extend(tilt_warnings(image, where))

    return check


def from_nibabel(
    name: str, sequences: Mapping[str, Image], sources: tuple[Path, ...], warnings: list[str], origin: NiftiOrigin
) -> Scan:
    """Turn sequences on FLAIR's grid, [x, y, z] as stored, into an axial stack."""
    spacing = axial_size(origin.image)[1]
    given = tuple(key for key in SEQUENCES if key in sequences)
    thickest = int(np.argmax(spacing))
    if thickest and spacing[thickest] > 2 * spacing[0]:
        plane = "coronal" if thickest == 1 else "sagittal"
        warnings.append(
            f"acquired in {plane} slices {spacing[thickest]:.1f} mm apart, while the networks look at axial ones"
        )
    images = fill_sequences({key: axial(values, origin.image) for key, values in sequences.items()})
    return Scan(
        name=name,
        images=images,
        spacing=spacing,
        slices=np.arange(len(images)),
        given=given,
        sources=sources,
        warnings=tuple(warnings + missing_warning(given)),
        origin=origin,
    )


def write_nifti(path: Path, values: Image, origin: NiftiOrigin) -> None:
    """Write an axial stack in the geometry of the file that it was made from.

    Affine, qform, sform, units and the rest of the header are kept; data type, scaling and display range are new.

    Args:
        path: .nii.gz to write.
        values: bool or uint8 mask, or float32 probability, [n, height, width].
        origin: of the scan.
    """
    stored = to_stored(values, origin.image)
    stored = stored.astype(np.float32 if stored.dtype.kind == "f" else np.uint8)
    header = origin.image.header.copy()
    header.set_data_shape(stored.shape)
    header.set_data_dtype(stored.dtype)
    header.set_slope_inter(1, 0)
    header["cal_min"], header["cal_max"] = 0, 1
    image = type(origin.image)(stored, None, header)
    with atomic_path(path) as temporary:
        temporary.write_bytes(gzip.compress(image.to_bytes(), compresslevel=6, mtime=0))  # no clock in the bytes


def _split(path: Path, values: Image) -> dict[str, Image]:
    """One file's sequences: FLAIR alone, or three as RGB voxels or along the last axis."""
    if values.dtype.names == RGB:
        return {key: values[name] for key, name in zip(SEQUENCES, "RGB", strict=True)}
    squeezed: Image = values.reshape(values.shape[:3] + tuple(size for size in values.shape[3:] if size > 1))
    if squeezed.ndim == 4 and squeezed.shape[3] == 3:
        return {key: squeezed[..., i] for i, key in enumerate(SEQUENCES)}
    if squeezed.ndim != 3:
        raise DataError(
            f"{path} is {size_text(values.shape)}, expected three axes (FLAIR) or four with the three "
            "volumes pre-contrast, FLAIR, post-contrast; give one volume."
        )
    return {"flair": squeezed}


def _one_volume(path: Path, values: Image) -> Image:
    found = _split(path, values)
    if len(found) > 1:
        raise DataError(f"{path} holds three volumes, expected one beside the other sequences; give one volume a file.")
    return found["flair"]
