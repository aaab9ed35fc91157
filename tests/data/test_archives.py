import io
import os
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from brainseg.data import archives
from brainseg.data.archives import extract
from brainseg.errors import DataError, UserError

Files = dict[str, bytes]
P = "TCGA_AA_0001_19990101"
GOOD: Files = {
    f"kaggle_3m/{P}/{P}_1.tif": os.urandom(3000),
    f"kaggle_3m/{P}/{P}_1_mask.tif": bytes(2000),
    "kaggle_3m/data.csv": b"Patient\n",
    "kaggle_3m/README.md": b"# read\n",
}


def pack_zip(path: Path, files: Files) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return path


def pack_tar(path: Path, files: Files, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as packed:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return path


PACKERS = [
    pytest.param(pack_zip, id="zip"),
    *(pytest.param(lambda p, f, m=m: pack_tar(p, f, m), id=m) for m in ("w", "w:gz", "w:bz2", "w:xz")),
]
Pack = Callable[[Path, Files], Path]


def contents(tree: Path) -> Files:
    return {f"kaggle_3m/{p.relative_to(tree).as_posix()}": p.read_bytes() for p in tree.rglob("*") if p.is_file()}


@pytest.mark.parametrize("pack", PACKERS)
@pytest.mark.parametrize("prefix", ["", "./", "lgg-mri-segmentation/", "a/b/"])
def test_every_kind_and_prefix(tmp_path: Path, pack: Pack, prefix: str):
    archive = pack(tmp_path / "download", {prefix + name: content for name, content in GOOD.items()})
    extract(archive, tmp_path / "tree")
    assert contents(tmp_path / "tree") == GOOD


@pytest.mark.parametrize("pack", PACKERS)
def test_inner_copy_and_all_else_is_left_behind(tmp_path: Path, pack: Pack):
    inner = {f"lgg-mri-segmentation/{name}": b"other" for name in GOOD}
    rest = {
        "other.txt": b"x",
        f"kaggle_3m/{P}/notes.txt": b"x",
        f"kaggle_3m/{P}/deeper/{P}_1.tif": b"x",
        f"kaggle_3m/{P}/._{P}_1.tif": b"x",
        f"__MACOSX/kaggle_3m/{P}/{P}_1.tif": b"x",
    }
    extract(pack(tmp_path / "download", inner | rest | GOOD), tmp_path / "tree")
    assert contents(tmp_path / "tree") == GOOD


@pytest.mark.parametrize("pack", PACKERS)
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("../evil.tif", "leads outside"),
        ("kaggle_3m/../../evil.tif", "leads outside"),
        ("/etc/evil", "leads outside"),
        (r"kaggle_3m\..\evil.tif", "leads outside"),
        ("C:/evil.tif", "leads outside"),
        (f"kaggle_3m/{P}/a\nb.tif", "leads outside"),
        (f"kaggle_3m/{P.lower()}/{P}_1.tif", "twice"),
    ],
)
def test_hostile_names(tmp_path: Path, pack: Pack, name: str, sentence: str):
    (tmp_path / "inside").mkdir()
    archive = pack(tmp_path / "inside" / "download", GOOD | {name: b"x"})
    with pytest.raises(DataError, match=sentence):
        extract(archive, tmp_path / "inside" / "tree")
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_name_twice(tmp_path: Path):
    with zipfile.ZipFile(pack_zip(tmp_path / "a.zip", GOOD), "a") as packed:
        packed.writestr(f"kaggle_3m/{P}/{P}_1.tif", b"another")
    with pytest.raises(DataError, match=f"{P}_1.tif twice"):
        extract(tmp_path / "a.zip", tmp_path / "tree")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar(tmp_path: Path, kind: bytes):
    with tarfile.open(tmp_path / "a.tar", "w") as packed:
        info = tarfile.TarInfo(f"kaggle_3m/{P}/{P}_2.tif")
        info.type, info.linkname = kind, "../../../etc/passwd"
        packed.addfile(info)
    with pytest.raises(DataError, match="is a link, a device or a sparse file"):
        extract(tmp_path / "a.tar", tmp_path / "tree")


def test_a_symbolic_link_in_a_zip(tmp_path: Path):
    with zipfile.ZipFile(pack_zip(tmp_path / "a.zip", GOOD), "a") as packed:
        info = zipfile.ZipInfo(f"kaggle_3m/{P}/{P}_2.tif")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match="is a link or a device"):
        extract(tmp_path / "a.zip", tmp_path / "tree")


def test_an_encrypted_zip(tmp_path: Path):
    content = bytearray(pack_zip(tmp_path / "a.zip", GOOD).read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # flag bit 0 in the first entry of the directory
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DataError, match="is encrypted; get another copy"):
        extract(tmp_path / "a.zip", tmp_path / "tree")


@pytest.mark.parametrize("pack", PACKERS)
@pytest.mark.parametrize("keep", [0.3, 0.5, 0.7])
def test_truncation(tmp_path: Path, pack: Pack, keep: float):
    archive = pack(tmp_path / "download", {name: os.urandom(5000) for name in GOOD})
    archive.write_bytes(archive.read_bytes()[: int(archive.stat().st_size * keep)])
    with pytest.raises(DataError, match="is damaged or incomplete"):
        extract(archive, tmp_path / "tree")


def test_a_tar_cut_between_two_members_is_not_a_whole_one(tmp_path: Path):
    archive = pack_tar(tmp_path / "a.tar", GOOD, "w")
    with tarfile.open(archive) as tar:
        second = tar.getmembers()[1]
    archive.write_bytes(archive.read_bytes()[: second.offset])
    with pytest.raises(DataError, match="is damaged or incomplete"):
        extract(archive, tmp_path / "tree")


def test_a_damaged_header_in_the_middle_of_a_tar(tmp_path: Path):
    archive = pack_tar(tmp_path / "a.tar", GOOD, "w")
    with tarfile.open(archive) as tar:
        second = tar.getmembers()[1]
    content = bytearray(archive.read_bytes())
    content[second.offset + 3] ^= 0xFF
    archive.write_bytes(content)
    with pytest.raises(DataError, match="is damaged or incomplete"):
        extract(archive, tmp_path / "tree")


@pytest.mark.parametrize("pack", [p for p in PACKERS if p.id != "w"])  # a plain tar has no checksum of contents
def test_a_flipped_bit(tmp_path: Path, pack: Pack):
    archive = pack(tmp_path / "download", GOOD)
    content = bytearray(archive.read_bytes())
    content[len(content) // 3] ^= 0x10
    archive.write_bytes(content)
    with pytest.raises(DataError, match="is damaged or incomplete"):
        extract(archive, tmp_path / "tree")


@pytest.mark.parametrize(("record", "offset"), [(b"PK\x01\x02", 46 + 20), (b"PK\x05\x06", 17)])
def test_a_damaged_directory_of_a_zip(tmp_path: Path, record: bytes, offset: int):
    # a letter of the first file's name; the place where the directory begins
    content = bytearray(pack_zip(tmp_path / "a.zip", GOOD).read_bytes())
    content[content.index(record) + offset] += 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DataError, match="is damaged or incomplete"):
        extract(tmp_path / "a.zip", tmp_path / "tree")


def test_folders_of_their_own_in_zip_and_tar(tmp_path: Path):
    for name, content in GOOD.items():
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for kind in ("zip", "gztar"):
        archive = shutil.make_archive(str(tmp_path / "download"), kind, tmp_path / "source")
        extract(Path(archive), tmp_path / kind)
        assert contents(tmp_path / kind) == GOOD


@pytest.mark.parametrize("content", [b"", b"<html>Sign in</html>", b"Rar!" + bytes(600)])
def test_no_archive_at_all(tmp_path: Path, content: bytes):
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DataError, match="is neither zip nor tar"):
        extract(tmp_path / "a.zip", tmp_path / "tree")


@pytest.mark.parametrize("pack", PACKERS)
@pytest.mark.parametrize("files", [{"a.txt": b"x"}, {"kaggle_3m/data.csv": b"x"}, {f"{P}/{P}_1.tif": b"x"}])
def test_no_dataset_in_it(tmp_path: Path, pack: Pack, files: Files):
    with pytest.raises(DataError, match="holds no patients, expected kaggle_3m"):
        extract(pack(tmp_path / "download", files), tmp_path / "tree")


def test_two_datasets_at_one_depth(tmp_path: Path):
    both = {f"{root}/{name}": content for root in ("a", "b") for name, content in GOOD.items()}
    with pytest.raises(DataError, match="holds a/kaggle_3m and b/kaggle_3m, expected one"):
        extract(pack_zip(tmp_path / "a.zip", both), tmp_path / "tree")


@pytest.mark.parametrize("pack", PACKERS)
@pytest.mark.parametrize(
    ("limit", "value", "sentence"),
    [
        ("MAX_MEMBERS", 3, "more than 3 files"),
        ("MAX_MEMBER_BYTES", 2500, "of 0 MB, where a slice takes"),
        ("MAX_TOTAL_BYTES", 4000, "would unpack to more than"),
    ],
)
def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Pack, limit: str, value: int, sentence: str):
    archive = pack(tmp_path / "download", GOOD)
    monkeypatch.setattr(archives, limit, value)
    with pytest.raises(DataError, match=sentence):
        extract(archive, tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


@pytest.mark.parametrize("pack", [p for p in PACKERS if p.id != "w"])
def test_a_bomb_of_zeros(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Pack):
    monkeypatch.setattr(archives, "RATIO_MATTERS_FROM_BYTES", 1 << 20)
    archive = pack(tmp_path / "download", {f"kaggle_3m/{P}/{P}_{n}.tif": bytes(1 << 20) for n in range(3)})
    with pytest.raises(DataError, match="more than 200 times its own size"):
        extract(archive, tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


def test_a_tar_header_that_claims_gigabytes(tmp_path: Path):
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 8 << 30
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
    with pytest.raises(DataError, match="is damaged or incomplete"):
        extract(tmp_path / "a.tar", tmp_path / "tree")


def test_not_enough_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    archive = pack_zip(tmp_path / "a.zip", GOOD)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 8, 2))  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="GB free; make room"):
        extract(archive, tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


def add_folders(packed: tarfile.TarFile, count: int) -> None:
    info = tarfile.TarInfo("kaggle_3m/empty")
    info.type = tarfile.DIRTYPE
    header = info.tobuf()
    for _ in range(count):
        packed.fileobj.write(header)
        packed.offset += len(header)


def test_a_tar_of_folders_alone_is_read_no_further_than_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", compresslevel=1) as packed:
        add_folders(packed, 5000)
    monkeypatch.setattr(archives, "MAX_MEMBERS", 1000)
    read = []
    step = tarfile.TarFile.next
    monkeypatch.setattr(tarfile.TarFile, "next", lambda tar: read.append(len(tar.members)) or step(tar))
    with pytest.raises(DataError, match="would unpack to more than 1000 files and folders"):
        extract(tmp_path / "a.tar.gz", tmp_path / "tree")
    assert len(read) <= 1002
    assert max(read) <= 1  # tarfile's own list does not grow


def test_folders_of_a_zip_count_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archives, "MAX_MEMBERS", 10)
    archive = pack_zip(tmp_path / "a.zip", {f"kaggle_3m/{n}/": b"" for n in range(20)})
    with pytest.raises(DataError, match="would unpack to more than 10 files and folders"):
        extract(archive, tmp_path / "tree")


def test_a_zip_s_directory_is_not_read_where_it_is_huge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    archive = pack_zip(tmp_path / "a.zip", {f"{n}": b"" for n in range(100)})
    monkeypatch.setattr(archives, "MAX_DIRECTORY_BYTES", 2000)
    monkeypatch.setattr(zipfile, "ZipInfo", None)  # not one entry is made of it
    with pytest.raises(DataError, match=r"is damaged or incomplete .a header of .* bytes"):
        extract(archive, tmp_path / "tree")


def test_headers_of_a_tar_have_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    archive = pack_tar(tmp_path / "a.tar", {f"kaggle_3m/{P}/{n}{'x' * 200}.txt": b"" for n in range(50)}, "w")
    monkeypatch.setattr(archives, "MAX_HEADER_BYTES", 20_000)
    with pytest.raises(DataError, match=r"is damaged or incomplete .headers without end"):
        extract(archive, tmp_path / "tree")
