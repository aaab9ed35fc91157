"""brainseg: brain MRI of lower-grade glioma to trustworthy tumour masks, reproducibly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brainseg.segmentation.array import segment
    from brainseg.segmentation.segmenter import Segmentation
    from brainseg.segmentation.shown import SegmentedScan

__version__ = "0.2.0.dev0"
__all__ = ["Segmentation", "SegmentedScan", "__version__", "segment"]


def __getattr__(name: str) -> Any:
    """Fetch what loads networks only when it is asked for."""
    if name == "segment":
        from brainseg.segmentation.array import segment

        return segment
    if name == "SegmentedScan":
        from brainseg.segmentation.shown import SegmentedScan

        return SegmentedScan
    if name == "Segmentation":
        from brainseg.segmentation.segmenter import Segmentation

        return Segmentation
    raise AttributeError(f"module 'brainseg' has no attribute {name!r}")
