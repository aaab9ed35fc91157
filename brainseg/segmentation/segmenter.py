"""Segment one scan: the way in is the way training went, and the mask comes back on the scan's own grid."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from itertools import repeat

import numpy as np
import numpy.typing as npt

from brainseg.data.slices import FLAIR, U8, Bool, Volume
from brainseg.errors import doubt, extra
from brainseg.inference.models import LoadedModels
from brainseg.inference.postprocess import threshold_for
from brainseg.inference.predictor import predict_volume
from brainseg.preprocess.agreement import Stripper
from brainseg.preprocess.inputs import slices_apart
from brainseg.preprocess.prepare import prepare
from brainseg.preprocess.skull_strip import Brain, SkullStripParams, make_stripper
from brainseg.scans.canvas import Canvas, canvas_for, from_canvas, mask_from_canvas, to_canvas
from brainseg.scans.scan import Scan, Spacing
from brainseg.segmentation.alignment import alignment_warnings
from brainseg.segmentation.brain import find_scan_brain
from brainseg.segmentation.measures import largest_diameter
from brainseg.shipped import FOLDER, SUMS, listed
from brainseg.trust.edge import unsure_edge
from brainseg.trust.model import load_calibrations
from brainseg.trust.sequence import load_recogniser, refusal
from brainseg.trust.setups import opinions, setup_of
from brainseg.trust.trust import Cap, Trust, judge

Float = npt.NDArray[np.float32]
SURE = 0.9
"""A highest probability below this is worth a warning; tumours of the training data reach 0.99 and more."""
STRANGERS = "trust was learnt from the networks that are shipped and from their kind, and these are others"


@dataclass(frozen=True)
class Segmentation:
    """A scan's tumour, on the scan's own grid.

    Attributes:
        mask: bool [n, height, width], True where tumour.
        brain: bool [n, height, width], where the networks looked.
        stripped: the scan's brain had been extracted before.
        spacing: millimetres between slices, rows and columns; None where unknown.
        warnings: one sentence each.
        trust: how far the mask can be trusted.
        on_canvas: float32 [n, side, side] in 0..1, the probability on the networks' canvas.
        canvas: where the scan's slices lie on it.
    """

    mask: Bool
    brain: Bool
    stripped: bool
    spacing: Spacing | None
    warnings: tuple[str, ...]
    trust: Trust
    on_canvas: Float
    canvas: Canvas

    @functools.cached_property
    def probability(self) -> Float:
        """float32 [n, height, width] in 0..1, before post-processing; made when first asked for."""
        return from_canvas(self.on_canvas, self.canvas)

    @functools.cached_property
    def unsure_edge(self) -> Bool:
        """bool [n, height, width], where the probability is 0.3 to 0.7 of the highest; made when first asked for."""
        return unsure_edge(self.on_canvas, self.canvas)

    @property
    def volume_ml(self) -> float | None:
        """Of the tumour; None where the spacing is unknown."""
        return None if self.spacing is None else float(self.mask.sum() * np.prod(self.spacing) / 1000)

    @property
    def largest_diameter_mm(self) -> float | None:
        """The longest line within one axial slice between two points of the tumour; None without spacing."""
        return None if self.spacing is None else largest_diameter(self.mask, self.spacing[1:])

    @property
    def largest_diameter_px(self) -> float:
        """The same in pixels."""
        return largest_diameter(self.mask, (1.0, 1.0))


@dataclass(frozen=True)
class Looked:
    """A scan as the networks look at it.

    Attributes:
        stack: what `prepare` gave, on the networks' canvas.
        brain: of it, with the warnings of finding it.
        canvas: where the scan's slices lie on it.
        apart: from a slice to what the networks see as its neighbours; see `slices_apart`.
    """

    stack: Volume
    brain: Brain
    canvas: Canvas
    apart: int


class Segmenter:
    """Models and brain extraction, loaded once for many scans.

    Args:
        models: what `load_models` gave.
        tta: average over left-right flips; None does as the model's file says.
    """

    def __init__(self, models: LoadedModels, *, tta: bool | None = None):
        self.models = models
        self.tta = models.tta if tta is None else tta
        self._info = next(info for _, info in models.networks.values())
        self._stripper = _stripper(self._info.skull_strip)
        self._recogniser, self._calibrations = load_recogniser(), load_calibrations()
        self._shipped = set(models.digests.values()) <= set(listed(FOLDER / SUMS).values())

    def __call__(self, scan: Scan, *, stripped: bool | None = None, trust: bool = False) -> Segmentation:
        """Segment `scan`.

        Args:
            scan: see `Scan`.
            stripped: brain extraction was done before; None to find out.
            trust: doubts about what the scan is are warnings.

        Raises:
            DataError: no brain is found.
            NotTrusted: the scan is probably not what it is taken for.
        """
        images, looked = self._look(scan, stripped, trust)
        whole, brain, canvas = looked.stack, looked.brain, looked.canvas
        doubts = self._sequence_doubts(images, brain, trust)
        moved = alignment_warnings(images, scan)
        name, choice = self.models.name, self.models.choice
        found = predict_volume(self.models.networks, whole, {name: choice}, tta=self.tta, apart=looked.apart)
        volume, mask = found.probabilities[name], found.masks[name]
        threshold = threshold_for(volume, choice)
        on_scan = mask_from_canvas(map(_agreeing, volume, mask, repeat(threshold)), canvas, threshold)
        brain_on_scan = mask_from_canvas((plane.astype(np.float32) for plane in brain.mask), canvas, 0.5)
        caps: list[Cap] = [(sentence, "unreliable") for sentence in doubts]
        caps += [(sentence, "check") for sentence in moved]
        return Segmentation(
            mask=on_scan,
            brain=brain_on_scan,
            stripped=brain.stripped,
            spacing=scan.spacing,
            warnings=(*scan.warnings, *brain.warnings, *doubts, *moved, *_warnings(volume, mask)),
            trust=judge(
                opinions(found, whole, name, choice, mask),
                self._calibrations.setups[setup_of(name, flips=self.tta)],
                scan.slices,
                volume=int(np.count_nonzero(on_scan)),
                brain=int(np.count_nonzero(brain_on_scan)),
                voxel_ml=None if scan.spacing is None else float(np.prod(scan.spacing)) / 1000,
                caps=caps + ([] if self._shipped else [(STRANGERS, "check")]),
            ),
            on_canvas=volume,
            canvas=canvas,
        )

    def look(self, scan: Scan, *, stripped: bool | None = None, trust: bool = False) -> Looked:
        """The scan as the networks look at it, without asking them; arguments and errors as above."""
        return self._look(scan, stripped, trust)[1]

    def _look(self, scan: Scan, stripped: bool | None, trust: bool) -> tuple[U8, Looked]:
        """With the scan on the canvas, before anything was cut away."""
        height, width = scan.images.shape[1:3]
        canvas = canvas_for(height, width, scan.spacing)
        images = to_canvas(scan.images, canvas)
        find = functools.partial(self.find_brain, canvas=canvas, spacing=scan.spacing, stripped=stripped, trust=trust)
        whole, brain = prepare(Volume(images, np.ones(images.shape[:3], bool), scan.slices), find, self._info.clahe)
        return images, Looked(whole, brain, canvas, slices_apart(None if scan.spacing is None else scan.spacing[0]))

    def find_brain(
        self,
        images: U8,
        canvas: Canvas,
        spacing: Spacing | None,
        *,
        stripped: bool | None = None,
        trust: bool = False,
    ) -> Brain:
        """Brain extraction alone: see `find_scan_brain`."""
        known = self._info.skull_strip
        return find_scan_brain(images, canvas, spacing, known, self._stripper, stripped, trust)

    def _sequence_doubts(self, images: U8, brain: Brain, trust: bool) -> list[str]:
        """Warnings where what was given as FLAIR does not look like one.

        Raises:
            NotTrusted: that is sure, and the user does not insist.
        """
        if brain.method == "none" and not brain.stripped:
            return []  # nobody knows where the brain is
        doubts: list[str] = []
        if found := refusal(images[..., FLAIR], brain.mask, self._recogniser):
            sentence, sure = found
            doubt(sentence, trust or not sure, doubts)
        return doubts


def _warnings(volume: Float, mask: Bool) -> list[str]:
    """Of what the networks say."""
    warnings = []
    if len(mask) == 1:
        warnings.append("a single slice: brain extraction and clean-up miss the neighbours, expect a worse mask")
    if mask.any() and volume.max() < SURE:
        warnings.append(f"the networks are unsure: tumour has a probability of {volume.max():.2f} at most")
    if not mask.any():
        warnings.append("no tumour was found")
    return warnings


def _stripper(params: SkullStripParams) -> Stripper | None:
    with extra("pipeline", f"the model's brain extraction, {params.method},"):
        return make_stripper(params)


def _agreeing(plane: Float, mask: Bool, threshold: np.float32) -> Float:
    """Probabilities whose threshold gives `mask`: resampled, they give smooth edges where a mask would give steps."""
    return np.where(mask, np.maximum(plane, threshold), np.where(plane < threshold, plane, 0))
