"""What `brainseg.segment` gives: a segmentation that says and shows itself."""

from __future__ import annotations

import base64
import html
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import cv2
import numpy as np

from brainseg.data.slices import FLAIR
from brainseg.errors import DataError
from brainseg.scans.grey import white_level
from brainseg.scans.scan import Scan
from brainseg.segmentation.segmenter import Segmentation

if TYPE_CHECKING:
    import nibabel as nib

PICTURE_PX = 360
OUTLINE = (233, 180, 86)  # the ensemble's colour (model/catalogue.py) in OpenCV's order
NOTICE = "Research only: not a medical device."


@dataclass(frozen=True, repr=False)
class SegmentedScan(Segmentation):
    """A scan's tumour, on the scan's own grid; `print` tells what was found, and a notebook shows it.

    Attributes:
        scan: what was segmented.
    """

    scan: Scan

    @classmethod
    def of(cls, found: Segmentation, scan: Scan) -> SegmentedScan:
        """What the segmenter found of `scan`."""
        return cls(**{part.name: getattr(found, part.name) for part in fields(found)}, scan=scan)

    @property
    def slices(self) -> list[int]:
        """Numbers of the slices with tumour, as in the files; of NIfTI, DICOM and arrays counted from 0 at the feet."""
        return [int(number) for number in self.scan.slices[self.mask.any((1, 2))]]

    def to_nifti(self) -> nib.Nifti1Image:
        """The mask as nibabel's image, uint8 0 and 1, on the grid of the file or image that was segmented.

        Raises:
            DataError: the scan has no place in space, as arrays and TIF slices.
        """
        from nibabel import Nifti1Image

        affine = self.scan.origin.affine
        if affine is None:
            raise DataError("an array or TIF slices have no place in space; use .mask, which lies on the same grid.")
        return Nifti1Image(self.scan.origin.stored(self.mask).astype(np.uint8), affine)

    def facts(self) -> dict[str, str]:
        """What a person wants to know, in words: label -> value."""
        numbers, total = self.slices, len(self.scan.slices)
        if not numbers:
            return {"tumour": "none found", "slices": f"{total}, none with tumour"}
        voxels = int(self.mask.sum())
        size = f"{voxels:,} voxels (spacing unknown)" if self.volume_ml is None else f"{self.volume_ml:.1f} ml"
        diameter = self.largest_diameter_mm
        widest = f"{self.largest_diameter_px:.0f} px" if diameter is None else f"{diameter:.0f} mm"
        trust = getattr(self, "trust", None)
        said = {} if trust is None else {"trust": f"{trust.level}; expected Dice {trust.dice:.2f}"}
        return said | {
            "tumour": size,
            "largest diameter in a slice": widest,
            "slices": f"{len(numbers)} of {total} with tumour, numbers {numbers[0]} to {numbers[-1]}",
        }

    def __str__(self) -> str:
        lines = [f"{label}: {value}" for label, value in self.facts().items()]
        lines += [f"reason: {text}" for text in getattr(getattr(self, "trust", None), "reasons", ())]
        return "\n".join([*lines, *(f"warning: {text}" for text in self.warnings), NOTICE])

    def __repr__(self) -> str:
        return f"<brainseg result of {self.scan.name}: tumour {self.facts()['tumour']}>"

    def _repr_html_(self) -> str:
        """For notebooks: the slice with the largest tumour and its outline, what was found, and the warnings."""
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(label)}</th><td style='text-align:left'>"
            f"{html.escape(value)}</td></tr>"
            for label, value in self.facts().items()
        )
        warnings = "".join(f"<li>{html.escape(text)}</li>" for text in self.warnings)
        at = int(np.argmax(self.mask.sum((1, 2)))) if self.mask.any() else len(self.mask) // 2
        caption = f"slice {self.scan.slices[at]}; the patient's right is on the left"
        return (
            "<div style='display:flex;flex-wrap:wrap;gap:16px;align-items:flex-start'>"
            f"<figure style='margin:0'><img alt='FLAIR with the outline of the mask' src='{self._picture(at)}'>"
            f"<figcaption>{html.escape(caption)}</figcaption></figure>"
            f"<div><strong>{html.escape(self.scan.name)}</strong><table>{rows}</table>"
            f"{f'<ul>{warnings}</ul>' if warnings else ''}<p><small>{NOTICE}</small></p></div></div>"
        )

    def _picture(self, at: int) -> str:
        """A slice with its outline as a PNG data URL, square pixels."""
        flair = self.scan.images[at, ..., FLAIR].astype(np.float32)
        row_mm, column_mm = self.spacing[1:] if self.spacing else (1.0, 1.0)
        height, width = flair.shape[0] * row_mm / column_mm, float(flair.shape[1])
        scale = PICTURE_PX / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        grey = (flair * (255 / white_level(flair[flair > 0].copy()))).clip(0, 255).astype(np.uint8)
        picture = cv2.cvtColor(cv2.resize(grey, size), cv2.COLOR_GRAY2BGR)
        large = cv2.resize(self.mask[at].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        outlines, _ = cv2.findContours(large, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, outlines, -1, OUTLINE, 2)
        return "data:image/png;base64," + base64.b64encode(cv2.imencode(".png", picture)[1].tobytes()).decode("ascii")
