"""The formats that scans come in: a new one is its own file, and one entry here."""

from __future__ import annotations

from brainseg.scans.bids import BidsFormat
from brainseg.scans.dicom import DicomFormat
from brainseg.scans.format import Format
from brainseg.scans.nifti import NiftiFormat
from brainseg.scans.tif import TifFormat
from brainseg.scans.tif_stack import TifStackFormat

FORMATS: dict[str, Format] = {
    "tif_stack": TifStackFormat(),
    "tif": TifFormat(),
    "nifti": NiftiFormat(),
    "bids": BidsFormat(),
    "dicom": DicomFormat(),
}
"""By the name that results keep as `kind`. What two formats could take is the earlier one's."""
