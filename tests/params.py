"""Parameters for tests: those that the package ships, with what a test changes laid over them."""

from __future__ import annotations

from typing import Any

from brainseg.params import shipped_section
from brainseg.preprocess.skull_strip import SkullStripParams
from brainseg.radiogenomics.cohort import RadiogenomicsParams
from brainseg.radiogenomics.shape import ShapeParams


def skull_strip_params(**changes: Any) -> SkullStripParams:
    """FLAIR alone, and a narrower gate than the shipped one."""
    return shipped_section("skull_strip", SkullStripParams, **({"sequences": "flair", "max_fraction": 0.3} | changes))


def shape_params(**changes: Any) -> ShapeParams:
    """Of the section `radiogenomics`, what a shape depends on."""
    shipped = shipped_section("radiogenomics", RadiogenomicsParams, **changes)
    return ShapeParams(**shipped.model_dump(include=set(ShapeParams.model_fields)))
