from __future__ import annotations

import gzip

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from brainseg.errors import DataError
from brainseg.scans.masks import read_mask
from brainseg.scans.nifti import NiftiOrigin, read_nifti, stem, write_nifti
from tests.scans.heads import SPACING, as_nifti, head
from tests.scans.nifti_files import STACK, saved

CODES = [a + b + c for a in "LR" for b in "PA" for c in "SI"]
ORDERS = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]


@settings(max_examples=48, deadline=None)
@given(st.sampled_from(CODES), st.sampled_from(ORDERS))
def test_any_orientation_is_the_same_axial_stack_and_goes_back(tmp_path_factory, codes, order):
    folder = tmp_path_factory.mktemp("nifti")
    image = as_nifti(STACK)
    codes = "".join(codes[i] for i in order)
    turned = image.as_reoriented(ornt_transform(io_orientation(image.affine), axcodes2ornt(tuple(codes))))
    scan = read_nifti({"flair": saved(folder / "scan.nii", turned)})
    np.testing.assert_array_equal(scan.images[..., 1], STACK)
    assert scan.spacing == pytest.approx(SPACING)
    mask = STACK > 500
    write_nifti(folder / "mask.nii.gz", mask, scan.origin)
    written = nib.load(folder / "mask.nii.gz")
    np.testing.assert_array_equal(written.affine, nib.load(folder / "scan.nii").affine)
    np.testing.assert_array_equal(np.asanyarray(written.dataobj), np.asanyarray(turned.dataobj) > 500)


def test_the_header_is_kept_bit_for_bit(tmp_path):
    image = as_nifti(STACK)
    tilt = nib.affines.from_matvec(nib.eulerangles.euler2mat(x=0.2))
    image.set_qform(tilt @ image.affine, code=2)  # not the sform, as after registration: each has to be kept
    image.set_sform(image.affine, code=4)
    image.header["descrip"], image.header["intent_name"] = b"a scan", b"x"
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_slope_inter(2, -7)
    scan = read_nifti({"flair": saved(tmp_path / "scan.nii.gz", image)})
    write_nifti(tmp_path / "mask.nii.gz", STACK > 500, scan.origin)
    before, after = (nib.load(tmp_path / name).header for name in ("scan.nii.gz", "mask.nii.gz"))
    new = {"datatype", "bitpix", "scl_slope", "scl_inter", "cal_max", "cal_min"}
    for key in before:
        if key not in new:
            assert before[key].tobytes() == after[key].tobytes(), key
    assert np.asanyarray(nib.load(tmp_path / "mask.nii.gz").dataobj).max() == 1


def test_the_same_mask_gives_the_same_bytes(tmp_path):
    origin = NiftiOrigin(as_nifti(STACK))
    for name in ("a", "b"):
        write_nifti(tmp_path / f"{name}.nii.gz", STACK > 500, origin)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_scaled_integers_and_floats_are_the_values_meant(tmp_path):
    image = as_nifti(STACK.astype(np.float64) / 3)
    scan = read_nifti({"flair": saved(tmp_path / "float.nii", image)})
    np.testing.assert_allclose(scan.images[..., 0], STACK / 3, rtol=1e-6)
    image.set_data_dtype(np.int16)  # nibabel chooses slope and intercept
    scan = read_nifti({"flair": saved(tmp_path / "scaled.nii", image)})
    np.testing.assert_allclose(scan.images[..., 0], STACK / 3, atol=0.01)


def test_three_volumes_in_one_file_or_rgb_or_three_files(tmp_path):
    volumes = np.stack([STACK, STACK + 1, STACK + 2], axis=-1)
    affine = as_nifti(STACK).affine
    four = nib.Nifti1Image(volumes.transpose(2, 1, 0, 3), affine)
    np.testing.assert_array_equal(read_nifti({"flair": saved(tmp_path / "four.nii", four)}).images, volumes)
    rgb = np.zeros(STACK.T.shape, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    for i, key in enumerate("RGB"):
        rgb[key] = (STACK.T % 200) + i
    found = read_nifti({"flair": saved(tmp_path / "rgb.nii", nib.Nifti1Image(rgb, affine))}).images
    np.testing.assert_array_equal(found[..., 2], STACK % 200 + 2)
    paths = {key: saved(tmp_path / f"{key}.nii", as_nifti(STACK + i)) for i, key in enumerate(("pre", "flair", "post"))}
    scan = read_nifti(paths)
    np.testing.assert_array_equal(scan.images, volumes)
    assert (scan.name, scan.given, scan.warnings) == ("flair", ("pre", "flair", "post"), ())


def test_another_grid_is_resampled_to_that_of_flair(tmp_path):
    flair, _ = head()
    other = as_nifti(flair)
    other.affine[:3, 3] += other.affine[:3, 0] * 2  # two columns further in space
    shifted = nib.Nifti1Image(np.roll(np.asanyarray(other.dataobj), -2, axis=0), other.affine)
    scan = read_nifti({"flair": saved(tmp_path / "f.nii", as_nifti(flair)), "pre": saved(tmp_path / "p.nii", shifted)})
    np.testing.assert_allclose(scan.images[:, :, 4:-4, 0], flair[:, :, 4:-4], atol=1e-3)
    assert "p.nii has another grid than FLAIR and was resampled" in scan.warnings[0]


def test_thick_sagittal_slices_are_said(tmp_path):
    scan = read_nifti({"flair": saved(tmp_path / "s.nii", as_nifti(STACK[..., :30].repeat(10, 0), (2.0, 1.5, 6.0)))})
    assert "acquired in sagittal slices 6.0 mm apart" in scan.warnings[0]


def test_stem():
    from pathlib import Path

    assert [stem(Path(name)) for name in ("a.b.nii.gz", "a.nii", "A.NII")] == ["a.b", "a", "A"]


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((90, 90), "90 x 90, expected three axes"),
        ((90, 90, 6, 2), "expected three axes"),
        ((90, 90, 6, 1, 4), "expected three"),
    ],
)
def test_other_numbers_of_axes_are_refused(tmp_path, shape, words):
    image = nib.Nifti1Image(np.arange(np.prod(shape), dtype=np.int16).reshape(shape), np.eye(4))
    with pytest.raises(DataError, match=words):
        read_nifti({"flair": saved(tmp_path / "x.nii", image)})


def test_damaged_files_are_one_sentence(tmp_path):
    whole = saved(tmp_path / "whole.nii.gz", as_nifti(STACK)).read_bytes()
    (tmp_path / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "cut.nii").write_bytes(gzip.decompress(whole)[:-50])
    (tmp_path / "text.nii").write_text("hello")
    (tmp_path / "text.nii.gz").write_text("hello")
    (tmp_path / "empty.nii").write_bytes(b"")
    for name in ("cut.nii.gz", "cut.nii", "text.nii", "text.nii.gz", "empty.nii"):
        with pytest.raises(DataError, match=f"{name} cannot be read as NIfTI"):
            read_nifti({"flair": tmp_path / name})
    with pytest.raises(DataError, match="does not exist"):
        read_nifti({"flair": tmp_path / "none.nii"})
    (tmp_path / "scan.hdr").write_bytes(b"x")
    with pytest.raises(DataError, match=r"does not end in .nii or .nii.gz"):
        read_nifti({"flair": tmp_path / "scan.hdr"})


def test_values_that_are_no_picture_and_useless_affines(tmp_path):
    nan = STACK.astype(np.float32)
    nan[0, 0, 0] = np.nan
    for name, values, words in (("nan", nan, "NaN"), ("flat", STACK * 0, "everywhere"), ("mask", STACK % 2, "a mask")):
        with pytest.raises(DataError, match=rf"{name}.nii .*{words}"):
            read_nifti({"flair": saved(tmp_path / f"{name}.nii", as_nifti(values))})
    image = as_nifti(STACK)
    image.header["srow_x"] = image.header["srow_y"] = 0
    image.header["sform_code"] = 1
    broken = nib.Nifti1Image(STACK.T, None, image.header)
    with pytest.raises(DataError, match="cannot be inverted"):
        read_nifti({"flair": saved(tmp_path / "flat_affine.nii", broken)})


def test_a_flipped_bit_is_refused_or_changes_nothing(tmp_path):
    whole = saved(tmp_path / "scan.nii.gz", as_nifti(head()[0])).read_bytes()
    before = read_nifti({"flair": tmp_path / "scan.nii.gz"})
    refused = 0
    for place in np.random.default_rng(7).integers(0, len(whole) * 8, 300).tolist():
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        (tmp_path / "scan.nii.gz").write_bytes(flipped)
        try:
            after = read_nifti({"flair": tmp_path / "scan.nii.gz"})
        except DataError:
            refused += 1
        else:
            assert (after.digest, after.spacing) == (before.digest, before.spacing), place
            np.testing.assert_array_equal(after.origin.image.affine, before.origin.image.affine)
    assert refused > 280  # the rest are the time and the name in gzip's own header


def test_a_flipped_bit_of_the_checksum_alone_is_refused_also_in_masks(tmp_path):
    path = saved(tmp_path / "a_mask.nii.gz", as_nifti((STACK > 500).astype(np.uint8)))
    origin = NiftiOrigin(nib.load(path))
    raw = bytearray(path.read_bytes())
    raw[-8] ^= 1
    path.write_bytes(raw)
    for read in (lambda: read_mask(path), lambda: origin.read_mask(tmp_path, "a")):
        with pytest.raises(
            DataError, match=r"mask\.nii\.gz cannot be read as NIfTI .its checksum does not fit.*copy it again"
        ):
            read()


@pytest.mark.parametrize("name", ["more.nii", "more.nii.gz"])
def test_bytes_behind_the_voxels_are_said(tmp_path, name):
    raw = as_nifti(STACK).to_bytes() + b"x"
    (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)
    with pytest.raises(DataError, match="more bytes follow than the 42,000 of 70 x 60 x 5 voxels of int16"):
        read_nifti({"flair": tmp_path / name})
