"""<case>_overlay.png: some slices with the mask's outline, and in words what one has to know to judge it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from brainseg.data.slices import FLAIR, U8, Bool, Float
from brainseg.errors import DataError
from brainseg.model.catalogue import CATALOGUE, ENSEMBLE, TRUTH_COLOUR
from brainseg.scans.grey import white_level
from brainseg.scans.scan import Scan
from brainseg.segmentation.segmenter import Segmentation

PANELS, ACROSS = 6, 3
PANEL_PX, LINE_PX, MARGIN_PX = 320, 22, 8
WHITE, QUIET, BLACK = (255, 255, 255), (190, 190, 190), (0, 0, 0)
NOTICE = "Research only: not a medical device"
Colour = tuple[int, ...]


def _bgr(colour: str) -> Colour:
    """`#rrggbb` in OpenCV's order."""
    return tuple(int(colour[at : at + 2], 16) for at in (5, 3, 1))


OUTLINES: dict[str, Colour] = {"mask": _bgr(CATALOGUE[ENSEMBLE].colour), "annotated": _bgr(TRUTH_COLOUR)}
"""What is outlined, the later ones above the earlier."""
THICK = {"mask": 3, "annotated": 1}
"""Pixels of the lines; where both run together the thin one lies on the thick one."""


def write_overlay(path: Path, scan: Scan, result: Segmentation) -> None:
    """A PNG of up to six slices: FLAIR with the mask's outline and, where it is known, the truth's; square pixels.

    Above them stand the case, the tumour's size and the mask's trust, below them what the colours mean.

    Args:
        path: to write.
        scan: that was segmented.
        result: of it.

    Raises:
        DataError: slices that no picture can be made of.
    """
    flair = scan.images[..., FLAIR]
    seen = flair[result.brain] if result.brain.any() else flair.flatten()  # a copy, either way
    white = white_level(seen)
    row_mm, column_mm = scan.spacing[1:] if scan.spacing else (1.0, 1.0)
    masks = {"mask": result.mask, "annotated": scan.truth}
    drawn = {name: mask for name, mask in masks.items() if mask is not None}
    tiles = [
        _tile(
            flair[i].astype(np.float32) / white,
            {name: mask[i] for name, mask in drawn.items()},
            row_mm / column_mm,
            f"slice {scan.slices[i]}",
        )
        for i in _worth_seeing(result.mask, result.brain)
    ]
    across = min(ACROSS, len(tiles))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % across)
    rows = [np.concatenate(tiles[start : start + across], axis=1) for start in range(0, len(tiles), across)]
    width = rows[0].shape[1]
    above = np.concatenate([_line([(text, WHITE)], width) for text in _said(scan, result)])
    colours = [(f"-- {name}", OUTLINES[name]) for name in drawn]
    below = [_line([*colours, ("R, L: the patient's right and left", QUIET)], width), _line([(NOTICE, QUIET)], width)]
    ok, png = cv2.imencode(".png", np.concatenate([above, *rows, *below]))
    if not ok:
        raise DataError(f"{path} cannot be drawn from slices of {flair.shape[1]} x {flair.shape[2]} pixels.")
    path.write_bytes(png.tobytes())


def _said(scan: Scan, result: Segmentation) -> list[str]:
    """The lines above the picture."""
    numbers = scan.slices[result.mask.any((1, 2))]
    if not len(numbers):
        return [scan.name, "no tumour was found"]
    size = f"{np.count_nonzero(result.mask):,} voxels" if result.volume_ml is None else f"{result.volume_ml:.1f} ml"
    where = f"slice {numbers[0]}" if len(numbers) == 1 else f"slices {numbers[0]} to {numbers[-1]}"
    trust = result.trust
    return [scan.name, f"tumour: {size}, {where}", f"trust: {trust.level}, expected Dice {trust.dice:.2f}"]


def _line(parts: Sequence[tuple[str, Colour]], width: int) -> U8:
    """A strip of words, each in its colour, as small as the width asks for."""
    strip, font = np.zeros((LINE_PX, width, 3), np.uint8), cv2.FONT_HERSHEY_SIMPLEX
    plain = [(text.encode("ascii", "replace").decode(), colour) for text, colour in parts]  # what the font has
    needed = sum(cv2.getTextSize(f"{text}  ", font, 0.5, 1)[0][0] for text, _ in plain)
    scale, left = 0.5 * min(1.0, (width - 2 * MARGIN_PX) / needed), MARGIN_PX
    for text, colour in plain:
        cv2.putText(strip, text, (left, LINE_PX - 7), font, scale, colour, 1, cv2.LINE_AA)
        left += cv2.getTextSize(f"{text}  ", font, scale, 1)[0][0]
    return strip


def _worth_seeing(mask: Bool, brain: Bool) -> list[int]:
    area = mask if mask.any() else brain
    drawn = np.flatnonzero(area.any((1, 2)))
    if not len(drawn):
        drawn = np.arange(len(mask))
    return sorted({int(i) for i in drawn[np.linspace(0, len(drawn) - 1, PANELS).round().astype(int)]})


def _tile(grey: Float, masks: dict[str, Bool], aspect: float, label: str) -> U8:
    height, width = grey.shape
    scale = PANEL_PX / max(height * aspect, width)
    size = (max(1, round(width * scale)), max(1, round(height * aspect * scale)))
    picture = cv2.resize((grey.clip(0, 1) * 255).astype(np.uint8), size, interpolation=cv2.INTER_LINEAR)
    canvas = np.zeros((PANEL_PX, PANEL_PX, 3), np.uint8)
    top, left = (PANEL_PX - size[1]) // 2, (PANEL_PX - size[0]) // 2
    canvas[top : top + size[1], left : left + size[0]] = picture[..., None]
    large = {
        name: cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) for name, mask in masks.items()
    }
    found = {name: cv2.findContours(plane, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0] for name, plane in large.items()}
    for wider in (2, 0):  # first dark edges, so that the lines show on white as well
        for name, lines in found.items():
            colour = BLACK if wider else OUTLINES[name]
            cv2.drawContours(canvas, lines, -1, colour, THICK[name] + wider, offset=(left, top))
    middle = PANEL_PX // 2
    for text, place in ((label, (6, PANEL_PX - 8)), ("R", (6, middle)), ("L", (PANEL_PX - 16, middle))):
        for colour, thick in ((BLACK, 3), (WHITE, 1)):
            cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, thick, cv2.LINE_AA)
    return canvas
