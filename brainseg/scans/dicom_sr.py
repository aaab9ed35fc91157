"""What was measured, back into DICOM: a structured report (TID 1500) that refers to the SEG and its series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import brainseg
from brainseg.files import atomic_path
from brainseg.scans.dicom_seg import referring

SCHEME = "99BRAINSEG"
"""Of the codes that no standard has: what trust says."""
_ML, _MM, _MM2 = ("ml", "milliliter"), ("mm", "millimeter"), ("mm2", "square millimeter")


def write_sr(path: Path, seg: Path, series: Sequence[Any], report: Mapping[str, Any]) -> None:
    """Write a Comprehensive 3D SR: volume, the two diameters of the largest slice, and how far the mask can be trusted.

    Args:
        path: .dcm to write.
        seg: the DICOM SEG that `write_seg` wrote.
        series: the FLAIR's slices, of pydicom.Dataset.
        report: what becomes `<case>.json`.

    Raises:
        DataError: the series lacks, or has malformed, what a report has to repeat of it.
    """
    import highdicom
    from pydicom import dcmread
    from pydicom.uid import generate_uid

    with referring("SR", "the JSON has its figures"):
        mask = dcmread(seg, stop_before_pixels=True)
        document = highdicom.sr.Comprehensive3DSR(
            evidence=[mask, *series],
            content=_content(mask, series, report),
            series_instance_uid=generate_uid(),
            series_number=9001,
            sop_instance_uid=generate_uid(),
            instance_number=1,
            manufacturer="brainseg",
            series_description=f"brainseg {report['made_by']['model']}: measurements",
        )
    with atomic_path(path) as temporary:
        document.save_as(temporary)


def _content(seg: Any, series: Sequence[Any], report: Mapping[str, Any]) -> Any:
    from highdicom import sr
    from pydicom.sr.codedict import codes
    from pydicom.uid import generate_uid

    device = sr.DeviceObserverIdentifyingAttributes(
        uid=generate_uid(entropy_srcs=["brainseg", brainseg.__version__]), name="brainseg", manufacturer_name="brainseg"
    )
    observer, level = sr.ObserverContext(codes.DCM.Device, device), report["trust"]["level"]
    what: dict[str, Any] = {
        "tracking_identifier": sr.TrackingIdentifier(generate_uid(), "tumour"),
        "finding_type": codes.SCT.Neoplasm,
        "algorithm_id": sr.AlgorithmIdentification(f"brainseg {report['made_by']['model']}", brainseg.__version__),
        "measurements": _measurements(report),
        "qualitative_evaluations": [sr.QualitativeEvaluation(_code("trust", "Trust in the mask"), _code(level, level))],
    }
    group: Any
    if report["tumour"]["voxels"]:
        source = sr.SourceSeriesForSegmentation(series[0].SeriesInstanceUID)
        segment = sr.ReferencedSegment(seg.SOPClassUID, seg.SOPInstanceUID, 1, source_series=source)
        group = sr.VolumetricROIMeasurementsAndQualitativeEvaluations(referenced_segment=segment, **what)
    else:  # a region of no pixels is none
        sources = [sr.SourceImageForMeasurementGroup(one.SOPClassUID, one.SOPInstanceUID) for one in series]
        group = sr.MeasurementsAndQualitativeEvaluations(source_images=sources, **what)
    return sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=codes.LN.BrainMRI,
        imaging_measurements=[group],
        title=codes.DCM.ImagingMeasurementReport,
    )


def _measurements(report: Mapping[str, Any]) -> list[Any]:
    from highdicom import sr
    from pydicom.sr.codedict import codes

    tumour, trust = report["tumour"], report["trust"]
    rano = tumour["rano"] or {}
    found = [
        (codes.SCT.Volume, tumour["volume_ml"], _ML),
        (_code("volume-low", "Volume, lower end of 90% interval"), trust.get("volume_low_ml"), _ML),
        (_code("volume-high", "Volume, upper end of 90% interval"), trust.get("volume_high_ml"), _ML),
        (codes.SCT.LongAxis, rano.get("diameter_mm"), _MM),
        (codes.SCT.ShortAxis, rano.get("perpendicular_mm"), _MM),
        (_code("diameter-product", "Product of the two diameters"), rano.get("product_mm2"), _MM2),
        (_code("expected-dice", "Expected Dice coefficient"), trust["dice"], ("1", "no units")),
        (_code("dice-low", "Dice coefficient that 90% of such masks reach"), trust["dice_low"], ("1", "no units")),
    ]
    return [
        sr.Measurement(name, float(value), sr.CodedConcept(unit[0], "UCUM", unit[1]))
        for name, value, unit in found
        if value is not None
    ]


def _code(value: str, meaning: str) -> Any:
    from highdicom import sr

    return sr.CodedConcept(value, SCHEME, meaning)
