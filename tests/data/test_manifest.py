from pathlib import Path

import pytest

from brainseg.data import manifest
from brainseg.data.raw import barcode
from brainseg.errors import DataError, DatasetError


def test_public_manifest_has_the_published_counts():
    known = manifest.load()
    assert len(known.barcodes) == manifest.PATIENTS == 110
    assert len(known.files) == 88
    assert sum(map(len, known.files.values())) == 6282
    assert (known.slices, known.slices_with_tumour) == (3929, 1373)
    assert {barcode(name) for name in known.files} < known.barcodes
    # 256 x 256 uncompressed pixels, 3 channels or 1, and the TIF header
    assert {d.size for files in known.files.values() for d in files.values()} == {203102, 65746}
    assert all(len(d.md5) == 32 for files in known.files.values() for d in files.values())
    assert known.files["TCGA_CS_4941_19960909"]["TCGA_CS_4941_19960909_1.tif"] == manifest.Digest(
        203102, "649f90bf2555d83bcb6e2727a9ac84fc"
    )


def test_digest_is_the_md5_of_the_bytes(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"abc")
    assert manifest.digest(tmp_path / "a") == manifest.Digest(3, "900150983cd24fb0d6963f7d28e17f72")  # RFC 1321


def test_verify_counts_known_and_unknown_files(published: Path):
    assert manifest.verify(published, manifest.load(), "") == (14, 4)


def test_verify_lists_every_problem(published: Path):
    tree = published / "kaggle_3m"
    first, second = tree / "TCGA_AA_0001_19990101", tree / "TCGA_AA_0002_19990102"
    (first / f"{first.name}_1.tif").unlink()
    (first / f"{first.name}_9.tif").write_bytes(b"x")
    damaged = second / f"{second.name}_2_mask.tif"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\x01")  # same size, other digest
    shorter = second / f"{second.name}_3.tif"
    shorter.write_bytes(shorter.read_bytes()[:-1])
    with pytest.raises(DatasetError, match="not what was published; get another copy") as caught:
        manifest.verify(published, manifest.load(), "get another copy")
    assert caught.value.problems == [
        f"{first.name}: 1 of 8 files are missing ({first.name}_1.tif).",
        f"{first.name}: 1 files are not of the public download ({first.name}_9.tif).",
        f"{second.name}: 2 of 6 files differ from the public download in size or digest "
        f"({damaged.name}, {shorter.name}).",
    ]


def test_written_manifest_describes_the_tree(published: Path, tmp_path: Path):
    manifest.write(published, tmp_path / "package")
    lines = (tmp_path / "package" / manifest.MANIFEST_FILE).read_text().splitlines()
    assert lines[0] == "patient,slice,image_size,image_md5,mask_size,mask_md5"
    assert len(lines) == 1 + 9
    stem = published / "kaggle_3m" / "TCGA_AA_0001_19990101" / "TCGA_AA_0001_19990101_2"
    image, mask = (manifest.digest(Path(f"{stem}{end}")) for end in (".tif", "_mask.tif"))
    assert lines[2] == f"TCGA_AA_0001_19990101,2,{image.size},{image.md5},{mask.size},{mask.md5}"
    barcodes = (tmp_path / "package" / manifest.PATIENTS_FILE).read_text()
    assert barcodes == "patient\nTCGA_AA_0001\nTCGA_AA_0002\nTCGA_BB_0003\n"


@pytest.mark.parametrize("name", ["TCGA_AA_0001_19990101_1_mask.tif", "TCGA_AA_0001_19990101_2.tif"])
def test_no_manifest_of_an_incomplete_tree(published: Path, tmp_path: Path, name: str):
    (published / "kaggle_3m" / "TCGA_AA_0001_19990101" / name).unlink()
    with pytest.raises(DataError, match="lacks its image or mask"):
        manifest.write(published, tmp_path / "package")
    assert not list((tmp_path / "package").glob("*"))
