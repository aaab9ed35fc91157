"""DICOM series, written slice by slice with pydicom."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

STACK = np.random.default_rng(2).integers(0, 900, (10, 60, 70)).astype(np.uint16)
STUDY, FRAME = generate_uid(), generate_uid()
AXIAL = (1, 0, 0, 0, 1, 0)


def write_series(
    folder: Path, stack: np.ndarray, title: str, agent: str = "", corner=(-3.0, -4.0, 10.0), **changes
) -> list[Path]:
    """One file a slice, feet first in `stack`, in shuffled order of names and numbers; 5 mm x 1 mm x 2 mm."""
    folder.mkdir(parents=True)
    series, paths = generate_uid(), []
    for i, plane in enumerate(stack):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = MRImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        path = folder / f"{(i * 101) % len(stack)}.dcm"  # a prime beyond the slices of any scan here
        d = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
        d.SOPClassUID, d.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
        d.StudyInstanceUID, d.SeriesInstanceUID, d.FrameOfReferenceUID = STUDY, series, FRAME
        d.PatientID, d.PatientName, d.PatientBirthDate, d.PatientSex = "1", "A^B", "", ""
        d.StudyDate, d.StudyTime, d.StudyID, d.AccessionNumber, d.ReferringPhysicianName = (
            "20200101",
            "120000",
            "1",
            "",
            "",
        )
        d.Modality, d.Manufacturer, d.SeriesNumber, d.InstanceNumber = "MR", "none", 1, len(stack) - i
        d.SeriesDescription = title
        if agent:
            d.ContrastBolusAgent = agent
        d.Rows, d.Columns = plane.shape
        d.PixelSpacing, d.SliceThickness = [1.0, 2.0], 5.0
        d.ImageOrientationPatient = list(AXIAL)
        d.ImagePositionPatient = [corner[0], corner[1], corner[2] + 5.0 * i]
        d.SamplesPerPixel, d.PhotometricInterpretation, d.PixelRepresentation = 1, "MONOCHROME2", 0
        d.BitsAllocated, d.BitsStored, d.HighBit = 16, 16, 15
        d.PixelData = plane.astype(np.uint16).tobytes()
        for key, value in changes.items():
            setattr(d, key, value)
        d.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def write_enhanced(path: Path, stack: np.ndarray) -> None:
    """All slices as frames of one file, the last first; 5 mm x 1 mm x 2 mm."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = EnhancedMRImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    d = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    d.SOPClassUID, d.SOPInstanceUID = EnhancedMRImageStorage, meta.MediaStorageSOPInstanceUID
    d.StudyInstanceUID, d.SeriesInstanceUID, d.FrameOfReferenceUID = STUDY, generate_uid(), FRAME
    d.PatientID, d.PatientName, d.Modality, d.SeriesDescription = "1", "A^B", "MR", "FLAIR"
    d.Rows, d.Columns, d.NumberOfFrames = stack.shape[1], stack.shape[2], len(stack)
    d.SamplesPerPixel, d.PhotometricInterpretation, d.PixelRepresentation = 1, "MONOCHROME2", 0
    d.BitsAllocated, d.BitsStored, d.HighBit = 16, 16, 15
    shared, measures, plane = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [1.0, 2.0], 5.0
    plane.ImageOrientationPatient = list(AXIAL)
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [plane]
    d.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for i in reversed(range(len(stack))):
        frame, position, content = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = [-3.0, -4.0, 10.0 + 5 * i]
        content.StackID, content.InStackPositionNumber = "1", i + 1
        frame.PlanePositionSequence, frame.FrameContentSequence = [position], [content]
        frames.append(frame)
    d.PerFrameFunctionalGroupsSequence = frames
    d.PixelData = np.ascontiguousarray(stack[::-1]).astype(np.uint16).tobytes()
    path.parent.mkdir(parents=True)
    d.save_as(path, enforce_file_format=True)
