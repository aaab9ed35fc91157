"""Reading one NIfTI file: its header within bounds, then exactly the bytes that it promises, with their checksum."""

from __future__ import annotations

import gzip
import io
import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from brainseg.data.slices import size_text
from brainseg.errors import DataError
from brainseg.scans.affine import check_affine, unit_mm
from brainseg.scans.geometry import check_size
from brainseg.scans.quiet import overheard
from brainseg.scans.scan import Image

if TYPE_CHECKING:  # a scan of TIF slices does not wait for its import
    import nibabel as nib

SUFFIXES = (".nii.gz", ".nii")
RGB = ("R", "G", "B")
_KINDS = {348: "Nifti1Image", 540: "Nifti2Image"}  # by the header's length, which is its first number
_MOST_EXTENSIONS = 2**24
"""Bytes between header and voxels; what converters keep there of DICOM are some thousands."""
_MOST_VOLUMES = 3
_CHUNK = 2**22


def is_nifti(path: Path) -> bool:
    """Whether the name says NIfTI."""
    return path.name.lower().endswith(SUFFIXES)


def load(
    path: Path, warnings: list[str], check: Callable[[nib.Nifti1Image], None] | None = None
) -> tuple[nib.Nifti1Image, Image]:
    """Read a file to its end: a checksum that does not fit shows only there.

    Args:
        path: .nii or .nii.gz; only the latter has a checksum.
        warnings: what nibabel had to mend in the header is added.
        check: is given the image before its voxels are read, and may raise.

    Returns:
        An image for header and geometry alone, without voxels; and the voxels, as scaled by the header, wider floats
        as float32.

    Raises:
        DataError: missing, of another kind, damaged, not as long as its header says, of more than `MOST_VOXELS`
            voxels or three volumes, no real numbers, or with an affine that cannot be inverted.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist, expected a NIfTI file (.nii or .nii.gz).")
    if not is_nifti(path):
        raise DataError(f"{path} does not end in .nii or .nii.gz; name a NIfTI file, or convert it, e.g. by dcm2niix.")
    try:
        # a gzip stream is closed before its file, which it does not own
        with path.open("rb") as file, overheard(warnings, str(path)):
            stream: Any = gzip.GzipFile(fileobj=file) if path.name.lower().endswith(".gz") else file
            image, scaling = _header(path, stream)
            if check is not None:
                check(image)
            return image, _scaled(_values(stream, image), *scaling)
    except (DataError, PermissionError, MemoryError):
        raise
    except Exception as error:  # nibabel raises many kinds on headers that lie, also TypeError and OverflowError
        raise DataError(f"{path} cannot be read as NIfTI ({_why(error)}); it is damaged, copy it again.") from None


def _why(error: Exception) -> str:
    """In words of a person: ours are, those of gzip and nibabel are not."""
    match error:
        case gzip.BadGzipFile() if "CRC" in str(error):
            return "its checksum does not fit its content"
        case gzip.BadGzipFile():
            return "it is not packed with gzip, as its name says"
        case zlib.error():
            return "what is packed in it does not unpack"
        case EOFError():
            return "it ends too early"
        case ValueError():
            return " ".join(str(error).split())[:150]
    return "its header does not fit its content"


def _header(path: Path, stream: IO[bytes]) -> tuple[nib.Nifti1Image, tuple[float | None, float | None]]:
    """Header and extensions, within bounds, and slope and intercept; `stream` stands at the first voxel afterwards."""
    import nibabel as nib

    first = stream.read(4)
    name = next((_KINDS[n] for n in _KINDS for order in ("little", "big") if first == n.to_bytes(4, order)), None)
    if name is None:
        raise ValueError("it does not begin as a NIfTI file does")
    kind: type[nib.Nifti1Image] = getattr(nib, name)
    raw = first + stream.read(kind.header_class.sizeof_hdr - 4)
    header = kind.header_class(raw, check=False)
    start = float(header["vox_offset"])
    if not len(raw) <= start <= len(raw) + _MOST_EXTENSIONS:
        raise ValueError(f"its voxels are said to begin at byte {start:g}")
    image: nib.Nifti1Image = kind.from_stream(io.BytesIO(raw + stream.read(int(start) - len(raw))))
    shape, dtype = image.shape, image.get_data_dtype()
    check_size(shape[:3], str(path))
    if min(shape) < 1 or math.prod(map(int, shape[3:])) > _MOST_VOLUMES:
        raise DataError(
            f"{path} is {size_text(shape)}, expected three axes (FLAIR) or four with the three volumes pre-contrast, "
            "FLAIR, post-contrast; give one volume."
        )
    if dtype.kind not in "uif" and dtype.names != RGB:
        raise DataError(f"{path} holds {dtype}, expected real numbers; export it again.")
    check_affine(image, str(path))
    try:
        unit_mm(image)
    except DataError as error:
        raise DataError(f"{path} cannot be used: {error}") from None
    return image, header.get_slope_inter()  # the image's header has them no more


def _values(stream: IO[bytes], image: nib.Nifti1Image) -> Image:
    shape, dtype = image.shape, image.get_data_dtype()
    raw = np.empty(math.prod(map(int, shape)) * dtype.itemsize, np.uint8)
    for begin in range(0, len(raw), _CHUNK):
        part = stream.read(min(_CHUNK, len(raw) - begin))
        raw[begin : begin + len(part)] = np.frombuffer(part, np.uint8)
        if len(part) < min(_CHUNK, len(raw) - begin):
            raise ValueError(f"{begin + len(part):,} of {len(raw):,} bytes of voxels are there")
    if stream.read(1):  # at the very end, where gzip keeps its checksum
        raise ValueError(f"more bytes follow than the {len(raw):,} of {size_text(shape)} voxels of {dtype}")
    return raw.view(dtype).reshape(shape, order="F")


def _scaled(values: Image, slope: float | None, inter: float | None) -> Image:
    """Slice by slice: nibabel scales in float64, which takes up to eight times the room."""
    from nibabel.volumeutils import apply_read_scaling

    slope, inter = 1.0 if slope is None else float(slope), 0.0 if inter is None else float(inter)
    if values.dtype.names or (slope, inter) == (1.0, 0.0):
        return values.astype(np.float32) if values.dtype.kind == "f" and values.dtype.itemsize > 4 else values
    scaled = np.empty(values.shape, np.float32, order="F")
    for i in range(values.shape[-1]):
        scaled[..., i] = apply_read_scaling(values[..., i], np.float64(slope), np.float64(inter))
    return scaled
