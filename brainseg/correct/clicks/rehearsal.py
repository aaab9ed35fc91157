"""Wrong masks made from right ones, and the clicks that a person would set right: what a network of clicks learns from.

Networks are wrong in other ways on patients that they have learnt from than on others, so their own masks of training
patients would teach the wrong errors. And since the network has learnt the truth of these patients by heart, the truth
alone would teach it to look at no click: mostly another mask is wanted, whose outline is bent anew each time.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage

from brainseg.correct.annotator import next_click
from brainseg.correct.answer import Click
from brainseg.correct.clicks.inputs import REACH, click_maps
from brainseg.data.slices import Bool, Float, Int
from brainseg.preprocess.inputs import Box

CLICKS = (0.4, 0.2, 0.15, 0.15, 0.1)
"""How often a mask has been clicked once, twice, ... when the network is asked."""
OTHERWISE = 0.8
"""How often another mask than the truth is wanted."""
STEP = 8.0
"""Pixels that a tumour's outline shrinks from one slice to the next, for errors beyond its ends."""
BEYOND = 2.0
BENDS = 8
"""The field that bends an outline has so many knots along a side."""
LARGEST_BEND = 5.0
SHIFT = 1.5
"""Standard deviation of what the whole outline grows or shrinks, pixels."""
BRIGHT = 3.0
"""Most pixels that the outline moves out, or in, where FLAIR is brighter by one standard deviation."""
LOST_END, LOST_ALL, INVENTED = 0.25, 0.05, 0.25
"""How often slices at an end are lost, all are, and a part is invented elsewhere."""
JITTER = 2
"""Pixels by which a click misses the error's middle at most."""


@dataclass(frozen=True)
class Rehearsed:
    """One click to be answered, on the network's grid.

    Attributes:
        chosen: int64 [k], slices of the stack around the click.
        marked: float32 [k, s, s], 0 or 1, the mask so far.
        maps: float32 [k, 2, s, s], see `click_maps`.
        wanted: float32 [k, s, s], 0 or 1, what the clicks say; None where it is the truth.
    """

    chosen: Int
    marked: Float
    maps: Float
    wanted: Float | None


def rehearse(truth: Bool, images: Float, rng: np.random.Generator) -> Rehearsed | None:
    """Spoil a mask, and click it until it is asked what to make of the last click; None where nothing is wrong.

    Args:
        truth: bool [n, s, s].
        images: float32 [n, 3, s, s], what the network sees of the sequences, 0 outside the brain.
        rng: of every draw.
    """
    otherwise = rng.random() < OTHERWISE
    wanted = bent(truth, images, rng) if otherwise else truth
    mask = wrong_mask(wanted, images, rng)
    count = 1 + int(rng.choice(len(CLICKS), p=CLICKS))
    clicks: list[Click] = []
    while click := next_click(wanted, mask):
        clicks.append(_jittered(click, wanted, mask, rng))
        if len(clicks) == count:
            break
        mask = _partly_right(wanted, mask, clicks[-1], rng)
    if not clicks:
        return None
    last, side = clicks[-1].slice, truth.shape[1]
    chosen = np.arange(max(0, last - REACH), min(len(truth), last + REACH + 1))
    maps = click_maps(clicks, chosen, Box(0, 0, side), side)
    said = wanted[chosen].astype(np.float32) if otherwise else None
    return Rehearsed(chosen, mask[chosen].astype(np.float32), maps, said)


def wrong_mask(truth: Bool, images: Float, rng: np.random.Generator) -> Bool:
    """A mask as networks get it wrong: its outline bent, grown or shrunk, also by what is bright; parts lost, invented.

    Args:
        truth: bool [n, s, s].
        images: float32 [n, 3, s, s].
        rng: of every draw.

    Returns:
        bool [n, s, s].
    """
    flair, brain = images[:, 1], (images != 0).any(1)
    mask = bent(truth, images, rng)
    marked = np.flatnonzero(mask.any((1, 2)))
    if len(marked) and rng.random() < LOST_END:
        lost = int(rng.integers(1, max(2, len(marked) // 2)))
        mask[marked[:lost] if rng.random() < 0.5 else marked[-lost:]] = False
    if rng.random() < INVENTED and brain.any():
        mask |= _blob(brain, flair, rng)
    if rng.random() < LOST_ALL:
        mask[:] = False
    return mask


def bent(mask: Bool, images: Float, rng: np.random.Generator) -> Bool:
    """A mask whose outline is bent, grown or shrunk, also by what is bright; arguments as of `wrong_mask`."""
    flair, brain = images[:, 1], (images != 0).any(1)
    bend = _field(mask.shape, rng) * rng.uniform(1, LARGEST_BEND) + rng.normal(0, SHIFT)
    inside = flair[mask].mean() if mask.any() else 0.0
    bend += rng.uniform(-1, 1) * BRIGHT * np.clip(flair - inside / 2, -2, 2)
    return np.asarray((signed_distance(mask) + bend > 0) & brain)


def signed_distance(mask: Bool) -> Float:
    """Pixels to the outline in the slice, above 0 inside; float32 [n, s, s].

    Outside, the outlines of the slices beside it count, too, as if they were `STEP` farther away, but nothing is nearer
    than `BEYOND`: errors reach beyond a tumour's ends.
    """
    far = np.float32(-2 * mask.shape[1])
    out = np.full(mask.shape, far, np.float32)
    for plane, target in zip(mask, out, strict=True):
        if plane.any():
            inside, outside = (
                cv2.distanceTransform(np.ascontiguousarray(side).view(np.uint8), cv2.DIST_L2, 5)
                for side in (plane, ~plane)
            )
            target[...] = inside - outside
    beside = np.full(mask.shape, far, np.float32)
    beside[1:] = out[:-1]
    beside[:-1] = np.maximum(beside[:-1], out[1:])
    return np.maximum(out, np.minimum(beside - np.float32(STEP), np.float32(-BEYOND)))


def _field(shape: tuple[int, ...], rng: np.random.Generator) -> Float:
    """Smooth in all three axes, with standard deviation 1: float32 as `shape`."""
    n, rows, columns = shape
    knots = ndimage.gaussian_filter1d(rng.standard_normal((n, BENDS, BENDS)), 1.0, axis=0).astype(np.float32)
    field = np.stack([cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_CUBIC) for plane in knots])
    return (field / max(float(field.std()), 1e-6)).astype(np.float32)


def _blob(brain: Bool, flair: Float, rng: np.random.Generator) -> Bool:
    """An invented part: what is brighter than its surroundings in a ball somewhere in the brain."""
    places = np.argwhere(brain)
    z, row, column = places[rng.integers(len(places))]
    radius, thick = rng.uniform(4, 14), rng.uniform(0.8, 2.5)
    rows, columns = np.arange(brain.shape[1])[:, None] - row, np.arange(brain.shape[2])[None] - column
    plane = (rows**2 + columns**2) / radius**2
    out = np.zeros_like(brain)
    for k in range(max(0, int(z - thick)), min(len(brain), int(z + thick) + 1)):
        ball = (plane + ((k - z) / thick) ** 2 <= 1) & brain[k]
        if ball.any():
            out[k] = ball & (flair[k] >= np.quantile(flair[k][ball], rng.uniform(0, 0.5)))
    return out


def _jittered(click: Click, truth: Bool, mask: Bool, rng: np.random.Generator) -> Click:
    row, column = (
        int(np.clip(at + rng.integers(-JITTER, JITTER + 1), 0, truth.shape[1] - 1)) for at in (click.row, click.column)
    )
    if truth[click.slice, row, column] == click.tumour != mask[click.slice, row, column]:
        return Click(click.slice, row, column, click.tumour)
    return click


def _partly_right(truth: Bool, mask: Bool, click: Click, rng: np.random.Generator) -> Bool:
    """The mask after an answer that was not perfect."""
    radius, reach = rng.uniform(6, 24), int(rng.integers(0, REACH + 1))
    rows = np.arange(truth.shape[1])[:, None] - click.row
    columns = np.arange(truth.shape[2])[None] - click.column
    out = mask.copy()
    window = slice(max(0, click.slice - reach), click.slice + reach + 1)
    part, right = out[window], truth[window]
    part[(part != right) & (rows**2 + columns**2 <= radius**2) & (_field(part.shape, rng) > rng.uniform(-3, 0))] ^= True
    out[click.slice, click.row, click.column] = click.tumour
    return out
