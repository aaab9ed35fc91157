from __future__ import annotations

import gzip
import re

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from brainseg.errors import DataError, NotTrusted
from brainseg.scans.geometry import check_field, check_size
from brainseg.scans.masks import read_mask
from brainseg.scans.nifti import NiftiOrigin, read_nifti, read_nifti_mask, stem, write_nifti
from tests.scans.heads import SPACING, as_nifti, head

STACK = np.random.default_rng(1).integers(0, 900, (5, 60, 70)).astype(np.int16)
CODES = [a + b + c for a in "LR" for b in "PA" for c in "SI"]
ORDERS = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]


def saved(path, image):
    nib.save(image, path)
    return path


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


def test_no_codes_are_refused_unless_the_user_insists(tmp_path):
    path = saved(tmp_path / "n.nii", nib.Nifti1Image(STACK.T, None))
    with pytest.raises(
        NotTrusted, match=r"n\.nii does not say which way the head lies.*know better, say --trust-input"
    ):
        read_nifti({"flair": path})
    assert "does not say which way the head lies" in read_nifti({"flair": path}, trust=True).warnings[0]


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


def with_header(path, change, stack=STACK, spacing=SPACING):
    """A whole file whose header alone is changed, byte by byte."""
    image = as_nifti(stack, spacing)
    raw = bytearray(image.to_bytes())
    header = type(image.header)(bytes(raw[:348]))
    change(header)
    raw[:348] = header.binaryblock
    path.write_bytes(gzip.compress(raw, mtime=0) if path.suffix == ".gz" else raw)
    return path


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
    path = saved(tmp_path / "mask.nii.gz", as_nifti((STACK > 500).astype(np.uint8)))
    flair = nib.load(path)
    raw = bytearray(path.read_bytes())
    raw[-8] ^= 1
    path.write_bytes(raw)
    for read in (read_mask, lambda path: read_nifti_mask(path, flair)):
        with pytest.raises(DataError, match=r"mask\.nii\.gz cannot be read as NIfTI .CRC check failed.*copy it again"):
            read(path)


@pytest.mark.parametrize("name", ["more.nii", "more.nii.gz"])
def test_bytes_behind_the_voxels_are_said(tmp_path, name):
    raw = as_nifti(STACK).to_bytes() + b"x"
    (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)
    with pytest.raises(DataError, match="more bytes follow than the 42,000 of 70 x 60 x 5 voxels of int16"):
        read_nifti({"flair": tmp_path / name})


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1e-3), ("micron", 1e3), ("mm", 1), ("unknown", 1)])
def test_units_of_length_are_honoured(tmp_path, unit, factor):
    image = as_nifti(STACK, tuple(mm * factor for mm in SPACING))
    image.header.set_xyzt_units(unit)
    scan = read_nifti({"flair": saved(tmp_path / "u.nii", image)})
    assert scan.spacing == pytest.approx(SPACING)
    assert read_mask(saved(tmp_path / "m.nii", mask_of(image)))[1] == pytest.approx(SPACING)


def mask_of(image):
    return nib.Nifti1Image((np.asanyarray(image.dataobj) > 500).astype(np.uint8), None, image.header)


def set_field(**values):
    def change(header):
        for name, value in values.items():
            header[name] = value

    return change


@pytest.mark.parametrize(
    ("spacing", "words"),
    [
        ((50.0, 9.4, 9.4), "50 x 9.4 x 9.4 mm, a field of view of 250 x 564 x 658 mm; expected voxels of 0.1 mm"),
        ((0.5, 0.094, 0.094), "0.5 x 0.094 x 0.094 mm, a field of view"),
        ((5000.0, 940.0, 940.0), "check whether these are millimetres; if you know better, say --trust-input"),
        ((5.0, 0.8, 0.8), "a field of view of 25 x 48 x 56 mm; expected a head, 60 x 90 mm to 600 mm"),
        ((5.0, 5.0, 9.0), "a field of view of 25 x 300 x 630 mm; expected a head"),
    ],
)
def test_sizes_of_no_head_are_refused_before_the_voxels_are_read(tmp_path, spacing, words):
    whole = as_nifti(STACK, spacing).to_bytes()
    (tmp_path / "s.nii").write_bytes(whole[:352])  # only the header is there
    with pytest.raises(NotTrusted, match=re.escape(words)):
        read_nifti({"flair": tmp_path / "s.nii"})


def test_who_insists_on_sizes_gets_a_warning_unless_the_memory_would_not_do(tmp_path):
    scan = read_nifti({"flair": saved(tmp_path / "s.nii", as_nifti(STACK, (5.0, 0.8, 0.8)))}, trust=True)
    assert "a field of view of 25 x 48 x 56 mm; expected a head" in scan.warnings[0]
    with pytest.raises(DataError, match="too large to be worked on"):
        read_nifti({"flair": saved(tmp_path / "km.nii", as_nifti(STACK, (5000.0, 940.0, 940.0)))}, trust=True)


def test_two_ways_to_lie_or_two_sizes_are_doubted(tmp_path):
    image = as_nifti(STACK)
    image.set_qform(image.affine @ np.diag([1, 1, -1, 1]), code=1)
    image.set_sform(image.affine, code=1)
    path = saved(tmp_path / "flip.nii", image)
    words = "flip.nii says two ways how the head lies: sform LPS, qform LPI, 180 degrees apart; expected one"
    with pytest.raises(NotTrusted, match=words):
        read_nifti({"flair": path})
    assert words in read_nifti({"flair": path}, trust=True).warnings[0]
    path = with_header(tmp_path / "sizes.nii", set_field(pixdim=[1, 1, 1, 12, 0, 0, 0, 0], qform_code=0))
    words = "sizes.nii says two sizes of a voxel: sform 1.88 x 1.88 x 12, pixdim 1 x 1 x 12; expected one"
    with pytest.raises(NotTrusted, match=words):
        read_nifti({"flair": path})
    assert read_nifti({"flair": path}, trust=True).spacing == pytest.approx(SPACING)
    with pytest.raises(DataError, match=r"two sizes of a voxel.*; repair its header"):
        read_mask(path)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"dim": [3, 32767, 32767, 32767, 1, 1, 1, 1]},
            "claims 32767 x 32767 x 32767 voxels, expected 1 to 268,435,456",
        ),
        ({"dim": [3, -4, 60, 5, 1, 1, 1, 1]}, "claims -4 x 60 x 5 voxels"),
        ({"dim": [3, 0, 60, 5, 1, 1, 1, 1]}, "claims 0 x 60 x 5 voxels"),
        ({"dim": [4, 70, 60, 5, 9999, 1, 1, 1]}, "expected three axes"),
        ({"vox_offset": 3e9}, "voxels are said to begin at byte 3e\\+09"),
        ({"vox_offset": -1}, "voxels are said to begin at byte -1"),
        ({"datatype": 77}, "cannot be read as NIfTI"),
        ({"datatype": 32}, "holds complex64, expected real numbers"),
        ({"xyzt_units": 5}, "unit of length is 5, expected 1 .metre."),
        ({"sizeof_hdr": 5}, "does not begin as a NIfTI file does"),
        ({"pixdim": [1, np.nan, 1, 1, 0, 0, 0, 0], "sform_code": 0, "qform_code": 1}, "lie.nii"),
    ],
)
def test_headers_that_lie_are_one_sentence(tmp_path, fields, words, capfd):
    for name in ("lie.nii", "lie.nii.gz"):
        with pytest.raises(DataError, match=words):
            read_nifti({"flair": with_header(tmp_path / name, set_field(**fields))})
    assert capfd.readouterr() == ("", "")


def test_the_largest_scan_that_is_accepted_is_decided_from_its_header():
    check_size((1024, 1024, 200), "scan")
    check_field((200, 1024, 1024), (1.0, 0.22, 0.22), "scan", False, warnings := [])
    assert warnings == []
    with pytest.raises(DataError, match="claims 1024 x 1024 x 257"):
        check_size((1024, 1024, 257), "scan")


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [
        ((160, 256, 256), (1.0, 1.0, 1.0)),
        ((24, 512, 512), (7.0, 0.4, 0.4)),
        ((1, 256, 256), (5.0, 0.94, 0.94)),
        ((378, 466, 394), (0.5, 0.5, 0.5)),  # the MNI template
        ((155, 240, 240), (1.0, 1.0, 1.0)),
        ((140, 170, 65), (1.0, 1.0, 1.0)),  # half a brain, cropped
        ((60, 90, 75), (1.0, 1.1, 1.1)),  # a newborn's brain, cropped
        ((256, 24, 256), (0.9, 6.0, 0.9)),
    ],
)
def test_usual_scans_have_plausible_sizes(shape, spacing):
    check_field(shape, spacing, "scan", False, warnings := [])
    assert warnings == []


def test_a_sheared_affine_is_doubted(tmp_path):
    """Its columns have lengths whose product is not a voxel's volume."""
    image = as_nifti(head()[0])
    affine = image.affine.copy()
    affine[0, 1] = 0.5 * affine[1, 1]
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), affine), tmp_path / "sheared.nii")
    with pytest.raises(NotTrusted, match=r"sheared\.nii has axes that are 27 degrees off a right angle"):
        read_nifti({"flair": tmp_path / "sheared.nii"})
    trusted = read_nifti({"flair": tmp_path / "sheared.nii"}, trust=True)
    assert any("off a right angle" in text for text in trusted.warnings)
