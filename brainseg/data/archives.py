"""Unpacking the public download from a zip or tar that nobody vouches for.

Only the slices and the two text files are taken out, never anything else, and an archive with a single
hostile member is refused whole: an honest copy of the dataset has none.
"""

from __future__ import annotations

import bz2
import contextlib
import errno
import gzip
import lzma
import re
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from brainseg.data.raw import TREE
from brainseg.errors import DataError, UserError
from brainseg.progress import progress

# The public download has 15 720 members in two copies of 7 860 files.
MAX_MEMBERS = 200_000
# Of a zip's directory, which takes 80 bytes for each member of the public download; it is read as a whole.
MAX_DIRECTORY_BYTES = MAX_MEMBERS * 128
# Of all headers of a tar: 512 bytes a member, and four times that where names are long.
MAX_HEADER_BYTES = MAX_MEMBERS * 4096
# A slice takes 0.2 MB; 1024 x 1024 x 3 uint8 would take 3 MB.
MAX_MEMBER_BYTES = 64 << 20
# The public download unpacks to 2.1 GB, both copies counted.
MAX_TOTAL_BYTES = 16 << 30
# Real slices pack 5 to 1 and black masks 400 to 1; a small archive may be all masks, a large one is not.
MAX_RATIO = 200
RATIO_MATTERS_FROM_BYTES = 256 << 20
# Left free beside the data themselves: folder entries and rounding up to whole blocks.
SPACE_MARGIN = 1.1

_WANTED = re.compile(
    rf"(?P<root>(?:[^/]+/)*?){TREE}/(?P<target>(?P<slice>[^/.][^/]*/[^/.][^/]*\.[Tt][Ii][Ff]{{1,2}})|data\.csv|README\.md)"
)
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    ValueError,
    RecursionError,
)


@dataclass(frozen=True)
class Member:
    """One member of an archive.

    Attributes:
        name: path in the archive, as stored.
        size: unpacked size in bytes, as declared.
        folder: a plain folder, which counts as a member and is not unpacked.
        fault: why it cannot be a file of the dataset, or None.
        open: opens its content (tarfile gives None for what is no file, which `fault` has excluded).
    """

    name: str
    size: int
    folder: bool
    fault: str | None
    open: Callable[[], IO[bytes] | None]


def extract(archive: Path, tree: Path) -> None:
    """Unpack the slices, `data.csv` and `README.md` of an archive's shallowest `kaggle_3m` into `tree`.

    Args:
        archive: zip, or tar, plain or packed with gzip, bzip2 or xz; told apart by content, not by name. A
            plain tar has no checksum of its contents: there, only the manifest finds flipped bits.
        tree: folder to make. After an error its content is meaningless: give a temporary one.

    Raises:
        DataError: no archive, damaged, encrypted, hostile, a bomb, or without the dataset's layout.
        UserError: not enough space on the disk.
    """
    try:
        with _opened(archive) as members:
            chosen = _choose(archive, members)
            check_space(tree, sum(member.size for member in chosen.values()))
            for target, member in progress(list(chosen.items()), "Unpacking"):
                _write(archive, member, tree / target)
    except _DAMAGE as error:
        raise _damaged(archive, str(error) or "it ends too early") from None
    except NotImplementedError as error:
        raise DataError(f"{archive} cannot be unpacked ({error}); pack it again as zip or tar.gz.") from None
    except OSError as error:
        # With a number it comes from the system and is not the archive's fault, unless a damaged directory
        # of a zip sends the reader to a place before the file's beginning.
        if error.errno not in (None, errno.EINVAL):
            raise
        raise _damaged(archive, str(error)) from None


def check_space(folder: Path, needed: int) -> None:
    """Raise UserError unless the disk of `folder` (which need not exist yet) has room for `needed` bytes."""
    place = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(place).free
    if free < needed * SPACE_MARGIN:
        raise UserError(
            f"The data take {needed * SPACE_MARGIN / 1e9:.2f} GB but the disk of {place} has "
            f"{free / 1e9:.2f} GB free; make room or work on another disk."
        )


@contextlib.contextmanager
def _opened(archive: Path) -> Iterator[Iterator[Member]]:
    """The members of an archive, whatever its kind, readable until the block ends."""
    with archive.open("rb") as handle:
        head = handle.read(512)
    if head.startswith(b"PK"):
        with archive.open("rb") as plain, zipfile.ZipFile(_Bounded(plain, MAX_DIRECTORY_BYTES)) as packed:
            yield _zip_members(packed)
        return
    unpack: Any = open
    for magic, opener in ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\x00", lzma.open)):
        if head.startswith(magic):
            unpack = opener
    if unpack is open and head[257:262] != b"ustar":
        raise DataError(
            f"{archive} is neither zip nor tar (gz, bz2, xz), expected the download as the site gives it; "
            "correct download.path."
        )
    with unpack(archive, "rb") as stream:
        bounded: Any = _Bounded(stream, MAX_MEMBER_BYTES, MAX_HEADER_BYTES)
        with tarfile.open(fileobj=bounded, mode="r:") as tar:
            yield _tar_members(tar, stream)


class _Bounded:
    """A stream that refuses huge reads, as tarfile and zipfile do for sizes that headers declare.

    Args:
        stream: to read from.
        most: bytes of a single read.
        in_all: bytes of all reads together until `unbound` is called.
    """

    def __init__(self, stream: IO[bytes], most: int, in_all: int | None = None):
        self._stream, self._most, self._left = stream, most, in_all
        self.seek, self.tell, self.close, self.seekable = stream.seek, stream.tell, stream.close, stream.seekable

    def read(self, size: int = -1) -> bytes:
        if size > self._most:
            raise tarfile.ReadError(f"a header of {size} bytes")
        content = self._stream.read(size if size >= 0 else self._most + 1)
        if len(content) > self._most:
            raise tarfile.ReadError(f"a header of more than {self._most} bytes")
        if self._left is not None:
            self._left -= len(content)
            if self._left < 0:
                raise tarfile.ReadError("headers without end")
        return content

    def unbound(self) -> None:
        """All headers are read."""
        self._left = None


def _zip_members(packed: zipfile.ZipFile) -> Iterator[Member]:
    for info in packed.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        fault = None
        if info.flag_bits & 0x1:
            fault = "is encrypted"
        elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            fault = "is a link or a device, not a file"
        if not fault:
            packed.open(info).close()  # compares the names in the directory and before the content
        folder = info.is_dir() and not fault
        # orig_filename: zipfile cuts `filename` at a NUL
        yield Member(info.orig_filename, info.file_size, folder, fault, partial(packed.open, info))


def _tar_members(tar: tarfile.TarFile, stream: IO[bytes]) -> Iterator[Member]:
    while (info := tar.next()) is not None:
        tar.members = []  # type: ignore[attr-defined]  # which tarfile would fill without end, and which nobody looks at
        plain = info.isdir() or (info.isreg() and not info.issparse())
        fault = None if plain else "is a link, a device or a sparse file (pack with --hard-dereference)"
        yield Member(info.name, 0 if info.isdir() else info.size, info.isdir(), fault, partial(tar.extractfile, info))
    # tarfile takes a damaged header for the end; a true end is a block of zeros.
    stream.seek(tar.offset)
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("it ends too early or a header is damaged")
    tar.fileobj.unbound()  # type: ignore[attr-defined]
    while stream.read(1 << 20):  # to the last byte, where gzip and xz keep their checksum
        if stream.tell() > tar.offset + MAX_MEMBER_BYTES:
            raise tarfile.ReadError("data after its end")


def _choose(archive: Path, members: Iterator[Member]) -> dict[str, Member]:
    """The wanted members by path in the tree, in the order of the archive, after checking all of them."""
    by_root: dict[str, dict[str, Member]] = {}
    with_slices: set[str] = set()
    seen: set[str] = set()
    total, packed = 0, archive.stat().st_size
    for number, member in enumerate(members, start=1):
        total += member.size
        _check_bomb(archive, number, member, total, packed)
        name = _checked_name(archive, member)
        match = _WANTED.fullmatch(name)
        if member.folder or match is None or "__MACOSX" in match["root"]:
            continue
        if name.casefold() in seen:  # some file systems take names that differ in case for one
            raise DataError(f"{archive} holds {name} twice, expected each file once; download it again.")
        seen.add(name.casefold())
        by_root.setdefault(match["root"], {})[match["target"]] = member
        if match["slice"]:
            with_slices.add(match["root"])
    return by_root[_shallowest(archive, with_slices)]


def _shallowest(archive: Path, roots: set[str]) -> str:
    if not roots:
        raise DataError(
            f"{archive} holds no patients, expected {TREE}/<patient>/<patient>_<slice>.tif in it; "
            "correct download.path."
        )
    depth = min(root.count("/") for root in roots)
    first = sorted(root for root in roots if root.count("/") == depth)
    if len(first) > 1:
        raise DataError(
            f"{archive} holds {first[0]}{TREE} and {first[1]}{TREE}, expected one dataset; "
            "unpack it and pass one of them with download.source=folder."
        )
    return first[0]


def _checked_name(archive: Path, member: Member) -> str:
    """The member's name without `./`; refuse a member that is not a plain file below the archive's root."""
    if _leads_outside(member.name):
        raise DataError(f"{archive} holds {member.name!r}, which leads outside of it; do not trust it.")
    if member.fault:
        raise DataError(f"{archive} holds {member.name}, which {member.fault}; get another copy.")
    return PurePosixPath(member.name).as_posix()


def _leads_outside(name: str) -> bool:
    """Absolute, upwards, a Windows drive or separator, or with characters that hide what the name is."""
    return (
        name.startswith("/")
        or "\\" in name
        or re.match("[A-Za-z]:", name) is not None
        or ".." in name.split("/")
        or not name.isprintable()
    )


def _check_bomb(archive: Path, number: int, member: Member, total: int, packed: int) -> None:
    if number > MAX_MEMBERS:
        found = f"more than {MAX_MEMBERS} files and folders"
    elif member.size > MAX_MEMBER_BYTES:
        found = f"{member.name} of {member.size >> 20} MB, where a slice takes less than 1 MB"
    elif total > MAX_TOTAL_BYTES:
        found = f"more than {MAX_TOTAL_BYTES / 1e9:.0f} GB"
    elif total > RATIO_MATTERS_FROM_BYTES and total > MAX_RATIO * packed:
        found = f"more than {MAX_RATIO} times its own size"
    else:
        return
    raise DataError(f"{archive} would unpack to {found}: it is not this dataset; download it again.")


def _write(archive: Path, member: Member, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    source = member.open()
    assert source is not None
    with source, path.open("xb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    if path.stat().st_size != member.size:
        raise _damaged(archive, f"{member.name} has {path.stat().st_size} of {member.size} bytes")


def _damaged(archive: Path, why: str) -> DataError:
    return DataError(f"{archive} is damaged or incomplete ({why}); download it again.")
