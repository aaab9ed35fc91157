"""Masks back into DICOM: a SEG that refers to the series it was made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import brainseg
from brainseg.data.slices import Bool
from brainseg.errors import DataError
from brainseg.files import atomic_path
from brainseg.scans.axial import to_stored
from brainseg.scans.quiet import overheard

if TYPE_CHECKING:  # a scan of TIF slices does not wait for its import
    import nibabel as nib


def write_seg(
    path: Path, mask: Bool, image: nib.Nifti1Image, series: Sequence[Any], model: str, person: str = ""
) -> None:
    """Write a DICOM SEG of one segment, referring to the FLAIR's slices.

    Args:
        path: .dcm to write.
        mask: bool [n, height, width]; where it is empty, the segment has all frames, and nothing in them.
        image: the volume that the slices make.
        series: the FLAIR's slices, of pydicom.Dataset.
        model: that found the mask: its name, and behind it the digests of its weights.
        person: who put it right; empty for the model's own mask.

    Raises:
        DataError: the series lacks, or has malformed, what a DICOM SEG has to repeat of it.
    """
    with referring("SEG", "the NIfTI mask is whole"):
        seg = _seg(mask, image, series, model, person)
    with atomic_path(path) as temporary:
        seg.save_as(temporary)


@contextmanager
def referring(kind: str, otherwise: str) -> Iterator[None]:
    """Make an object of DICOM that repeats attributes of a series; what the series lacks of them is one sentence.

    Args:
        kind: of object, for the sentence.
        otherwise: what the user has all the same.

    Raises:
        DataError: highdicom cannot make it.
    """
    try:
        with overheard([], ""):  # of the series' attributes, which the scan's warnings have
            yield
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        lacking = getattr(error, "name", None)  # an AttributeError's: what the series has not
        why = f"it has no {lacking}" if lacking else " ".join(str(error).split())[:150]
        raise DataError(f"no DICOM {kind} can refer to this series ({why}); {otherwise}.") from None


def _seg(mask: Bool, image: nib.Nifti1Image, series: Sequence[Any], model: str, person: str) -> Any:
    import highdicom
    import nibabel as nib
    from pydicom.sr.codedict import codes
    from pydicom.uid import generate_uid

    model, *weights = model.split()
    stored = nib.Nifti1Image(to_stored(mask, image).astype(np.uint8), image.affine)
    pixels = highdicom.Volume.from_nibabel(stored, frame_of_reference_uid=series[0].FrameOfReferenceUID)
    description = highdicom.seg.SegmentDescription(
        segment_number=1,
        segment_label="lower-grade glioma, FLAIR abnormality",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Neoplasm,
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues["SEMIAUTOMATIC" if person else "AUTOMATIC"],
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name=f"brainseg {model}",
            version=brainseg.__version__,
            family=codes.DCM.ArtificialIntelligence,
            parameters={"weights_sha256": " ".join(weights)} if weights else None,
        ),
    )
    return highdicom.seg.Segmentation(
        source_images=list(series),
        pixel_array=pixels,
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[description],
        series_instance_uid=generate_uid(),
        series_number=9001 if person else 9000,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="brainseg",
        manufacturer_model_name=model,
        software_versions=brainseg.__version__,
        device_serial_number="0",
        series_description=f"brainseg {model}{', corrected' if person else ''}",
        content_creator_name=_person_name(person) if person else None,
    )


def _person_name(person: str) -> str:
    """As DICOM writes names: signs that part names are spaces, 64 characters, and a mark that the rest is unknown."""
    plain = "".join(" " if char in "\\^=" or not char.isprintable() else char for char in person)
    return f"{' '.join(plain.split())[:63]}^"
