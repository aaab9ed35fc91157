"""TIF that tifffile leaves to imagecodecs, which is large: LZW, and floats by differences (TIFF 6.0, sections 13, 14).

ImageJ, Pillow and OpenCV write LZW; OpenCV reads it, too, but takes damaged strips for whole.
"""

from __future__ import annotations

import importlib.util
import io
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from brainseg.data.raw import MOST_NUMBERS, decode_tif, why_unreadable
from brainseg.data.slices import U8
from brainseg.errors import DataError

LZW, DEFLATE, NONE = 5, (8, 32946), 1
KNOWN = {NONE, LZW, *DEFLATE, 32773, 34925}
"""And PackBits and LZMA, which tifffile decodes by itself."""
FLOATS = 3
"""The predictor that takes differences of a float's bytes."""
_CLEAR, _END, _LONGEST = 256, 257, 4096


class _Copy(io.BytesIO):
    """A file in memory that is called, in sentences, like the one on disk."""

    def __init__(self, content: bytes, path: Path):
        super().__init__(content)
        self.path = path

    def __str__(self) -> str:
        return str(self.path)


def decode(path: Path) -> tuple[U8, bool]:
    """As `decode_tif`, of LZW and of floats by differences, too.

    Raises:
        DataError: as `decode_tif`; and compression that nothing here can decode, by its name.
    """
    source: Any = _plain(path) or path
    return decode_tif(source)


def read(path: Path) -> U8:
    """The values alone; see `decode`."""
    return decode(path)[0]


def _plain(path: Path) -> _Copy | None:
    """The same file without compression; None where tifffile can read it, or says itself why not."""
    try:
        with tifffile.TiffFile(path) as tif:
            if not _is_whole(tif):
                raise ValueError("pages are missing")
            pages: dict[int, Any] = {
                i: page for i, page in enumerate(tif.pages) if not getattr(page, "is_reduced", False)
            }
            for page in pages.values():
                _require_known(path, page)
            if not any(map(_ours, pages.values())):
                return None
            if sum(math.prod(map(int, page.shape)) for page in pages.values()) > MOST_NUMBERS:
                return None  # `decode_tif` refuses it
            found = [(i, _segments(path, page), int(page.predictor)) for i, page in pages.items() if _ours(page)]
        copy = _Copy(path.read_bytes(), path)
        for i, segments, predictor in found:
            _replace(copy, i, segments, predictor)
        return copy
    except (DataError, MemoryError, PermissionError):
        raise
    except Exception as error:  # tifffile raises many kinds on damaged files
        raise DataError(f"{path} cannot be read as TIF ({why_unreadable(error)}); fetch it again.") from None


def _is_whole(tif: tifffile.TiffFile) -> bool:
    """Whether all pages are there: of a file that was cut off, tifffile reads those that are left."""
    known = tif.tiff
    file, seen = tif.filehandle, set[int]()
    file.seek(known.offsetsize)  # where the first page lies stands behind the signature, which is as long
    while offset := struct.unpack(known.offsetformat, file.read(known.offsetsize))[0]:
        if offset in seen or offset + known.tagnosize > file.size:
            return False
        seen.add(offset)
        file.seek(offset)
        (tags,) = struct.unpack(known.tagnoformat, file.read(known.tagnosize))
        file.seek(offset + known.tagnosize + tags * known.tagsize)
    said = (tif.imagej_metadata or {}).get("images", 1)
    return not (said > 1 and tif.series[0].kind != "imagej")


def _require_known(path: Path, page: Any) -> None:
    if int(page.compression) not in KNOWN and importlib.util.find_spec("imagecodecs") is None:
        name = getattr(page.compression, "name", page.compression)
        raise DataError(
            f"{path} is whole but compressed as {name}, which nothing here can decode; save it with LZW, with Deflate "
            "or uncompressed."
        )


def _ours(page: Any) -> bool:
    """Whether tifffile would need imagecodecs for it."""
    compression = int(page.compression)
    return compression == LZW or (compression in (NONE, *DEFLATE) and int(page.predictor) == FLOATS)


def _segments(path: Path, page: Any) -> list[bytes]:
    """The strips or tiles, decoded."""
    samples = page.samplesperpixel if page.planarconfig == 1 else 1
    width = page.tilewidth if page.is_tiled else page.imagewidth
    height = page.tilelength if page.is_tiled else min(page.rowsperstrip, page.imagelength)
    in_row = math.ceil(width * samples * page.bitspersample / 8)
    strips = 1 if page.is_tiled else math.ceil(page.imagelength / height)
    found = []
    with path.open("rb") as file:
        for i, (offset, count) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=True)):
            last = not page.is_tiled and i % strips == strips - 1
            rows = page.imagelength - height * (strips - 1) if last else height
            file.seek(offset)
            packed = file.read(count)
            values = _unpacked(packed, int(page.compression), in_row * rows)
            if len(values) < in_row * rows:
                raise ValueError(f"part {i} holds {len(values)} of {in_row * rows} bytes")
            values = values[: in_row * rows]
            found.append(_floats(values, rows, width, samples, page) if int(page.predictor) == FLOATS else values)
    return found


def _unpacked(packed: bytes, compression: int, size: int) -> bytes:
    if compression == LZW:
        return unpack_lzw(packed, size)
    return zlib.decompressobj().decompress(packed, size) if compression in DEFLATE else packed


def unpack_lzw(packed: bytes, size: int) -> bytes:
    """Decode one strip.

    Args:
        packed: codes of 9 to 12 bits, the highest bit first.
        size: bytes that are wanted; decoding stops there.

    Raises:
        ValueError: a code that cannot be.
    """
    roots: list[bytes] = [bytes([i]) for i in range(256)] + [b"", b""]
    table, width, before = list(roots), 9, b""
    buffer = bits = done = 0
    out: list[bytes] = []
    for byte in packed:
        buffer, bits = (buffer << 8 | byte) & 0xFFFFFF, bits + 8
        if bits < width:
            continue
        bits -= width
        code = buffer >> bits & (1 << width) - 1
        if code == _CLEAR:
            table, width, before = list(roots), 9, b""
            continue
        if code == _END:
            break
        if code < len(table):
            text = table[code]
        elif code == len(table) and before:
            text = before + before[:1]
        else:
            raise ValueError(f"its LZW has the code {code} where {len(table)} are known")
        if before:
            table.append(before + text[:1])
            if len(table) > _LONGEST:
                raise ValueError("its LZW has more codes than 12 bits can name")
            if len(table) == (1 << width) - 1 and width < 12:
                width += 1
        out.append(text)
        before = text
        done += len(text)
        if done >= size:
            break
    return b"".join(out)


def _floats(values: bytes, rows: int, width: int, samples: int, page: Any) -> bytes:
    """Undo the differences: each row holds the floats' highest bytes first, as differences to the byte before."""
    size = page.bitspersample // 8
    differences = np.frombuffer(values, np.uint8).reshape(rows, size * width, samples)
    planes = np.cumsum(differences, axis=1, dtype=np.uint8).reshape(rows, size, width * samples)
    big = np.ascontiguousarray(planes.transpose(0, 2, 1)).view(f">f{size}")
    return big.astype(page.parent.byteorder + f"f{size}").tobytes()


def _replace(copy: _Copy, number: int, segments: list[bytes], predictor: int) -> None:
    """Put a page's decoded segments behind the file, packed as tifffile can, and let its tags point there."""
    segments = [zlib.compress(segment, 1) for segment in segments]
    offset = copy.seek(0, io.SEEK_END)
    copy.write(b"".join(segments))
    copy.seek(0)
    offsets = [offset + sum(map(len, segments[:i])) for i in range(len(segments))]
    with tifffile.TiffFile(copy, mode="r+") as tif:
        page: Any = tif.pages[number]
        tags, tiled = page.tags, page.is_tiled
        tags["TileOffsets" if tiled else "StripOffsets"].overwrite(offsets, dtype=16 if tif.is_bigtiff else 4)
        tags["TileByteCounts" if tiled else "StripByteCounts"].overwrite(
            list(map(len, segments)), dtype=16 if tif.is_bigtiff else 4
        )
        tags["Compression"].overwrite(DEFLATE[0])  # where tifffile undoes the differences of integers
        if predictor == FLOATS:
            tags["Predictor"].overwrite(1)
    copy.seek(0)
