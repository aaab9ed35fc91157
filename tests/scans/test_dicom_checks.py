"""What a DICOM series says of itself that it should not."""

from __future__ import annotations

import io
import re
import zlib
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, JPEG2000Lossless, generate_uid

from brainseg.errors import DataError, NotTrusted
from brainseg.scans import dicom_checks
from brainseg.scans.dicom import read_dicom
from tests.scans.dicom_files import STACK, STUDY, write_enhanced, write_series


def changed(path, **values):
    """One file of a series, with other attributes; those that are None are taken away."""
    dataset = pydicom.dcmread(path)
    for keyword, value in values.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    dataset.save_as(path)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"ImagePositionPatient": None}, "a slice in .*s has no ImagePositionPatient; expected"),
        ({"ImageOrientationPatient": [1, 0, 0, 0, 1]}, r"has the ImageOrientationPatient \[.*\], expected 6 numbers"),
        ({"PixelSpacing": None}, "has no PixelSpacing"),
        ({"PixelSpacing": 1.0}, "has the PixelSpacing 1.0, expected 2 numbers"),
        ({"FrameOfReferenceUID": "1.2"}, "mixes 2 frames of reference .FrameOfReferenceUID."),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "mixes 2 kinds of grey"),
        ({"PresentationLUTShape": "INVERSE"}, "mixes 2 kinds of grey"),
    ],
)
def test_one_slice_unlike_the_others_is_one_sentence(tmp_path, values, words):
    changed(write_series(tmp_path / "s", STACK, "FLAIR")[3], **values)
    with pytest.raises(DataError, match=words):
        read_dicom({"flair": tmp_path / "s"}, trust=True)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"PixelSpacing": [0.0, 1.0]}, r"has pixels of \[0.0, 1.0\] mm"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "axes that are not at right angles"),
        ({"Rows": 32767, "Columns": 32767}, "claims 10 x 32767 x 32767 voxels"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "is a colour picture"),
        ({"NumberOfFrames": 3}, "is 10 files of many frames each, expected one"),
    ],
)
def test_a_series_that_is_no_stack_of_grey_slices_is_one_sentence(tmp_path, values, words):
    write_series(tmp_path / "s", STACK, "FLAIR", **values)
    with pytest.raises(DataError, match=words):
        read_dicom({"flair": tmp_path / "s"}, trust=True)


def test_a_colour_picture_is_refused(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 256, (3, 60, 70, 3)).astype(np.uint8)
    paths = write_series(tmp_path / "s", STACK[:3], "FLAIR")
    for path, plane in zip(paths, rgb, strict=True):
        bits = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PlanarConfiguration": 0, "SamplesPerPixel": 3}
        changed(path, PhotometricInterpretation="RGB", PixelData=plane.tobytes(), **bits)
    with pytest.raises(DataError, match=r"is a colour picture .a screenshot\?., expected grey values"):
        read_dicom({"flair": tmp_path / "s"}, trust=True)


@pytest.mark.parametrize(
    ("everywhere", "in_one", "words"),
    [
        ({"Modality": "CT"}, {}, "s has the modality CT, expected MR"),
        ({}, {"Modality": "PT"}, "s has the modality MR, PT, expected MR"),
        ({}, {"PatientID": "2"}, "s mixes 2 patients (PatientID), expected one"),
        ({}, {"StudyInstanceUID": "1.2"}, "s mixes 2 studies (StudyInstanceUID), expected one"),
        ({"PixelSpacing": [0.05, 0.05]}, {}, "voxels of 5 x 0.05 x 0.05 mm, a field of view of 50 x 3 x 3.5 mm"),
        ({"PixelSpacing": [9.0, 9.0]}, {}, "voxels of 5 x 9 x 9 mm, a field of view of 50 x 540 x 630 mm"),
    ],
)
def test_what_is_probably_no_scan_of_one_head_needs_the_users_word(tmp_path, everywhere, in_one, words):
    changed(write_series(tmp_path / "s", STACK, "FLAIR", **everywhere)[3], **in_one)
    with pytest.raises(NotTrusted, match=re.escape(words) + ".*; if you know better, say --trust-input"):
        read_dicom({"flair": tmp_path / "s"})
    scan = read_dicom({"flair": tmp_path / "s"}, trust=True)
    np.testing.assert_array_equal(scan.images[..., 1], STACK)
    assert any(words in warning for warning in scan.warnings)


def test_pixels_of_metres_are_refused_whoever_insists(tmp_path):
    write_series(tmp_path / "s", STACK, "FLAIR", PixelSpacing=[1000.0, 1000.0])
    with pytest.raises(DataError, match="too large to be worked on"):
        read_dicom({"flair": tmp_path / "s"}, trust=True)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"PatientID": "2"}, None),
        ({"StudyInstanceUID": generate_uid()}, "the sequences are of several studies"),
        ({"FrameOfReferenceUID": generate_uid()}, "several frames of reference: the head may have moved"),
    ],
)
def test_sequences_that_may_not_belong_together_are_said(tmp_path, values, words):
    write_series(tmp_path / "f", STACK, "FLAIR")
    write_series(tmp_path / "p", STACK + 1, "T1", **values)
    folders = {"flair": tmp_path / "f", "pre": tmp_path / "p"}
    if words is None:
        words = "are of 2 patients (PatientID), expected one"
        with pytest.raises(NotTrusted, match=re.escape(words)):
            read_dicom(folders)
    assert words in read_dicom(folders, trust=words.startswith("are of")).warnings[0]


@pytest.mark.parametrize("n", [1, 10])
@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"PhotometricInterpretation": "MONOCHROME1"}, "MONOCHROME1"),
        ({"PresentationLUTShape": "INVERSE"}, "PresentationLUTShape INVERSE"),
    ],
)
def test_inverted_grey_values_are_turned_back_over_the_whole_series_and_said(tmp_path, n, values, why):
    stack = STACK[:n] + 5
    low, high = int(stack.min()), int(stack.max())
    write_series(tmp_path / "s", low + high - stack, "FLAIR", **values)
    scan = read_dicom({"flair": tmp_path / "s"})
    np.testing.assert_array_equal(scan.images[..., 1], stack)
    assert f"s stores white as its lowest value ({why}): inverted" in scan.warnings[0]


def test_a_modality_or_a_thickness_that_is_not_said_is_said(tmp_path):
    write_series(tmp_path / "m", STACK, "FLAIR", Modality="")
    assert "m does not say its modality: taken for MR" in read_dicom({"flair": tmp_path / "m"}).warnings[0]
    write_series(tmp_path / "t", STACK[:1], "FLAIR", SliceThickness=None)
    scan = read_dicom({"flair": tmp_path / "t"})
    assert scan.spacing == (1.0, 1.0, 2.0)
    assert "the only slice in" in scan.warnings[0]
    assert "does not say its thickness: volumes are those of 1 mm" in scan.warnings[0]
    write_series(tmp_path / "n", STACK[:1], "FLAIR", SliceThickness=-5)
    with pytest.raises(DataError, match="has a thickness of -5 mm"):
        read_dicom({"flair": tmp_path / "n"})


@pytest.mark.parametrize("n", [1, 10])
def test_slices_that_say_they_have_one_frame_are_slices(tmp_path, n):
    write_series(tmp_path / "s", STACK[:n], "FLAIR", NumberOfFrames=1)
    scan = read_dicom({"flair": tmp_path / "s"})
    np.testing.assert_array_equal(scan.images[..., 1], STACK[:n])
    assert scan.spacing == (5.0, 1.0, 2.0)


@pytest.mark.parametrize("value", [b"ab", b"3\\"])
def test_a_number_of_frames_that_is_none_is_one_sentence(tmp_path, value):
    for path in write_series(tmp_path / "s", STACK, "FLAIR", NumberOfFrames=77):
        raw = path.read_bytes()
        tag = b"\x28\x00\x08\x00IS\x02\x00"
        assert raw.count(tag + b"77") == 1
        path.write_bytes(raw.replace(tag + b"77", tag + value))
    with pytest.raises(DataError, match="s has a NumberOfFrames that is no number; export it again"):
        read_dicom({"flair": tmp_path / "s"})


def test_two_volumes_in_one_series_are_one_sentence(tmp_path):
    for name in ("a", "b"):
        write_enhanced(tmp_path / "s" / name / "all.dcm", STACK)
        changed(tmp_path / "s" / name / "all.dcm", SeriesInstanceUID="1.2.3")
    with pytest.raises(DataError, match="is 2 files of many frames each, expected one; keep one of them"):
        read_dicom({"flair": tmp_path / "s"})


def compressed_as(paths, uid):
    """The same pixels under another transfer syntax: nothing may try to decode them."""
    for path in paths:
        dataset = pydicom.dcmread(path)
        dataset.file_meta.TransferSyntaxUID = UID(uid)
        dataset.PixelData = pydicom.encaps.encapsulate([dataset.PixelData])
        dataset["PixelData"].VR = "OB"
        dataset.save_as(path)


def test_a_codec_that_is_not_installed_is_named_with_what_to_install(tmp_path, monkeypatch):
    compressed_as(write_series(tmp_path / "s", STACK, "FLAIR"), JPEG2000Lossless)
    missing = ["gdcm - requires gdcm>=3.0.10", "pylibjpeg - requires pylibjpeg>=2.0 and pylibjpeg-openjpeg>=2.0"]
    decoder = SimpleNamespace(is_available=False, missing_dependencies=missing)
    monkeypatch.setattr("pydicom.pixels.get_decoder", lambda uid: decoder)
    words = (
        "are whole but compressed as JPEG 2000 Image Compression (Lossless Only) (1.2.840.10008.1.2.4.90), which needs "
        "python-gdcm>=3.0.10, or pylibjpeg>=2.0 and pylibjpeg-openjpeg>=2.0; install that with pip, or decompress"
    )
    with pytest.raises(DataError, match=re.escape(words)):
        read_dicom({"flair": tmp_path / "s"})


@pytest.mark.parametrize(
    "uid",
    [
        "1.2.840.10008.1.2.4.57",  # JPEG Lossless
        "1.2.840.10008.1.2.4.70",  # JPEG Lossless, first-order prediction
        "1.2.840.10008.1.2.4.80",  # JPEG-LS
        "1.2.840.10008.1.2.4.90",  # JPEG 2000
        "1.2.840.10008.1.2.5",  # RLE
    ],
)
def test_a_series_that_was_compressed_without_loss_is_the_same(tmp_path, uid):
    gdcm = pytest.importorskip("gdcm")
    for path in write_series(tmp_path / "s", STACK, "FLAIR"):
        reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
        reader.SetFileName(str(path))
        assert reader.Read()
        change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(uid)))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer.SetFileName(str(path))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
        assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == uid
    np.testing.assert_array_equal(read_dicom({"flair": tmp_path / "s"}).images[..., 1], STACK)


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.4.100", "1.2.3.4.5"])
def test_a_transfer_syntax_that_nobody_decodes_is_named(tmp_path, uid):
    compressed_as(write_series(tmp_path / "s", STACK, "FLAIR"), uid)
    with pytest.raises(DataError, match=rf"compressed as .*{uid}.*nothing here can decode; decompress the series"):
        read_dicom({"flair": tmp_path / "s"})


def deflated(paths):
    for path in paths:
        dataset = pydicom.dcmread(path)
        dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        dataset.save_as(path, enforce_file_format=True)
    return paths


def test_a_deflated_series_is_read(tmp_path):
    deflated(write_series(tmp_path / "s", STACK, "FLAIR"))
    np.testing.assert_array_equal(read_dicom({"flair": tmp_path / "s"}).images[..., 1], STACK)


def test_a_deflated_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    (path,) = deflated(write_series(tmp_path / "s", STACK[:1], "FLAIR"))
    meta = FileMetaDataset()
    meta.update(pydicom.dcmread(path).file_meta)
    head = io.BytesIO()
    pydicom.filewriter.write_file_meta_info(head, meta)
    pack = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    zeros = b"".join(pack.compress(bytes(2**20)) for _ in range(32)) + pack.flush()
    path.write_bytes(bytes(128) + b"DICM" + head.getvalue() + zeros)
    monkeypatch.setattr(dicom_checks, "_MOST_INFLATED", 2**23)
    monkeypatch.setattr(pydicom, "dcmread", lambda *_: pytest.fail("it was unpacked"))
    with pytest.raises(DataError, match=r"unpacks to more than 8,388,608 bytes, expected one DICOM image; leave it"):
        read_dicom({"flair": tmp_path / "s"})


def test_what_pydicom_remarks_reaches_the_warnings_once_and_not_the_terminal(tmp_path, capfd):
    paths = write_series(tmp_path / "s", STACK, "FLAIR")
    for path in paths:  # in the bytes: pydicom would remark on it here, too
        raw = path.read_bytes()
        assert raw.count(STUDY.encode()) == 1
        path.write_bytes(raw.replace(STUDY.encode(), f"{STUDY[:-3]}.01".encode()))
    capfd.readouterr()
    scan = read_dicom({"flair": tmp_path / "s"})
    assert capfd.readouterr() == ("", "")
    remarks = [warning for warning in scan.warnings if "Invalid value for VR UI" in warning]
    assert [remark.split(": ")[0] for remark in remarks] == [str(tmp_path / "s")]
