"""Headers that lie about what follows: no more is unpacked than they promise, and less is refused."""

from __future__ import annotations

import gzip
import zlib

import nibabel as nib
import numpy as np
import pytest

from brainseg.errors import DataError
from brainseg.scans.masks import read_mask
from brainseg.scans.nifti import read_nifti
from brainseg.scans.nifti_file import load
from tests.scans.heads import as_nifti
from tests.scans.nifti_files import STACK, saved, set_field, with_header

WHOLE = as_nifti(STACK).to_bytes()


def bomb(path, begin, megabytes):
    """`begin`, and so many zeros behind it, which pack to a thousandth."""
    pack = zlib.compressobj(9, wbits=31)
    packed = [pack.compress(begin), *(pack.compress(bytes(2**20)) for _ in range(megabytes)), pack.flush()]
    path.write_bytes(b"".join(packed))
    return path


@pytest.fixture
def unpacked(monkeypatch):
    """Bytes that gzip handed out."""
    counted = []
    read = gzip.GzipFile.read

    def counting(self, size=-1):
        part = read(self, size)
        counted.append(len(part))
        return part

    monkeypatch.setattr(gzip.GzipFile, "read", counting)
    return counted


def test_endless_zeros_behind_the_voxels_are_not_unpacked(tmp_path, unpacked):
    path = bomb(tmp_path / "bomb.nii.gz", WHOLE, 256)
    assert path.stat().st_size < 500_000
    with pytest.raises(DataError, match=r"bomb\.nii\.gz cannot be read as NIfTI .more bytes follow than the 42,000"):
        read_nifti({"flair": path})
    assert sum(unpacked) == len(WHOLE) + 1


def test_zeros_without_a_header_are_not_unpacked(tmp_path, unpacked):
    path = bomb(tmp_path / "bomb.nii.gz", b"", 64)
    with pytest.raises(DataError, match="does not begin as a NIfTI file does"):
        read_nifti({"flair": path})
    assert sum(unpacked) == 4


@pytest.mark.parametrize(
    "fields",
    [
        {"dim": [3, 32767, 32767, 32767, 1, 1, 1, 1]},
        {"dim": [3, 2048, 2048, 65, 1, 1, 1, 1]},
        {"vox_offset": 2**25},
    ],
)
def test_a_bomb_whose_header_claims_it_is_refused_by_its_header(tmp_path, unpacked, fields):
    header = with_header(tmp_path / "h.nii", set_field(**fields)).read_bytes()[:352]
    with pytest.raises(
        DataError, match=r"claims .* voxels, expected 1 to 268,435,456|said to begin at byte 3.35544e\+07"
    ):
        read_nifti({"flair": bomb(tmp_path / "bomb.nii.gz", header, 64)})
    assert sum(unpacked) <= 352


@pytest.mark.parametrize(
    "dim",
    [
        [3, -70, -60, 5, 1, 1, 1, 1],
        [5, 70, 60, 5, -1, -3, 1, 1],
        [4, 70, 60, 5, 0, 1, 1, 1],
        [4, 70, 60, 5, 4, 1, 1, 1],
        [7, 70, 60, 5, 1, 1, 1, 32767],
        [-3, 70, 60, 5, 1, 1, 1, 1],
        [8, 70, 60, 5, 1, 1, 1, 1],
        [0, 70, 60, 5, 1, 1, 1, 1],
    ],
)
@pytest.mark.parametrize("name", ["lie.nii", "lie.nii.gz"])
def test_negative_or_huge_numbers_of_axes_and_voxels_are_one_sentence(tmp_path, name, dim, capfd):
    path = with_header(tmp_path / name, set_field(dim=dim))
    for read in (lambda: read_nifti({"flair": path}), lambda: read_mask(path)):
        with pytest.raises(DataError, match=rf"^{path} (claims|is|cannot be read as NIfTI) [^\n]*; [^\n]*\.$"):
            read()
    assert capfd.readouterr() == ("", "")


def test_the_last_voxel_must_be_there_and_nothing_behind_it(tmp_path):
    for name, pack in (("s.nii", bytes), ("s.nii.gz", gzip.compress)):
        path = tmp_path / name
        path.write_bytes(pack(WHOLE))
        np.testing.assert_array_equal(load(path, [])[1], STACK.T)
        path.write_bytes(pack(WHOLE[:-1]))
        with pytest.raises(DataError, match="41,999 of 42,000 bytes of voxels are there"):
            load(path, [])
        path.write_bytes(pack(WHOLE + b"\0"))
        with pytest.raises(DataError, match="more bytes follow than the 42,000"):
            load(path, [])
    path.write_bytes(gzip.compress(WHOLE) + b"garbage")  # behind the packed stream
    with pytest.raises(DataError, match=r"s\.nii\.gz cannot be read as NIfTI"):
        load(path, [])
    path.write_bytes(gzip.compress(WHOLE[:9999]) + gzip.compress(WHOLE[9999:]) + bytes(512))  # as bgzip and tapes do
    np.testing.assert_array_equal(load(path, [])[1], STACK.T)


@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<f4", ">f4"])
def test_floats_of_either_byte_order_take_four_bytes(tmp_path, dtype):
    header = nib.Nifti1Header(endianness=dtype[0])
    header.set_data_dtype(dtype)
    image = nib.Nifti1Image(STACK.T.astype(dtype), as_nifti(STACK).affine, header)
    _, values = load(saved(tmp_path / "s.nii", image), [])
    np.testing.assert_array_equal(values, STACK.T)
    assert values.dtype.itemsize == 4
