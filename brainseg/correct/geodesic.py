"""Answers a click without learning: what is near along paths that cross no edge of the FLAIR becomes as the click says.

Distance grows with the length of a path and with what changes along it (geodesic segmentation: Criminisi, Sharp, Blake,
ECCV 2008). It runs through neighbouring slices, too, at the price of their thickness.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from brainseg.correct.answer import Click, Prepared, require_fitting
from brainseg.data.slices import FLAIR, Bool, Float, Float64

Part = tuple[slice, ...]

RADIUS = 32
"""Pixels in the slice that an answer reaches at most from its click."""
REACH = 3
"""Slices above and below that it reaches at most."""
LIMIT = 12.0
"""The distance up to which pixels are as the click."""
EDGE = 4.0
"""What a step costs more where the FLAIR changes by one standard deviation of the brain's."""
UNLIKE = 2.0
"""The same where the FLAIR is that much darker (of no tumour: brighter) than at the click."""
DOUBT = 3.0
"""The same where the networks' probability is lower (of no tumour: higher) by one than at the click."""
NOISE = 16.0
"""Grey values; a brain that varies by less has nothing to tell apart."""
THICKNESS = 3.0
"""What a step to the next slice costs, in pixels."""
_STEPS = ((0, 0, 1), (0, 1, 0), (0, 1, 1), (0, 1, -1), (1, 0, 0))
"""One of each pair of opposite neighbours: 8 in the slice, the pixel below and the one above."""


class GeodesicAnswerer:
    """See the module; needs no network and takes about 0.1 s for a click."""

    def answer(self, case: Prepared, mask: Bool, clicks: Sequence[Click]) -> Bool:
        """As `Answerer.answer`; pixels nearer to an earlier click of the other kind stay as they are."""
        require_fitting(case, mask, clicks)
        click, window = clicks[-1], _window(clicks[-1], mask.shape)
        here = _within(click, window)
        free = (mask[window] != click.tumour) & case.stack.brain[window]
        free[here] = True
        others = [other for other in clicks[:-1] if other.tumour != click.tumour and _inside(other, window)]
        for other in others:
            free[_within(other, window)] = True
        cost = _cost(case, window, here, click.tumour)
        distances = _distances(free, cost, [here, *(_within(other, window) for other in others)])
        near = distances[0] <= LIMIT
        if others:
            near &= distances[0] < distances[1:].min(0)
        out = mask.copy()
        part = out[window]
        part[near & _round(window, click)] = click.tumour
        for each in clicks:
            out[each.slice, each.row, each.column] = each.tumour
        return out


def _window(click: Click, shape: tuple[int, ...]) -> tuple[slice, slice, slice]:
    middle = (click.slice, click.row, click.column)
    reach = (REACH, RADIUS, RADIUS)
    low = [max(0, at - far) for at, far in zip(middle, reach, strict=True)]
    high = [min(size, at + far + 1) for at, far, size in zip(middle, reach, shape, strict=True)]
    return (slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2]))


def _within(click: Click, window: tuple[slice, slice, slice]) -> tuple[int, int, int]:
    return (click.slice - window[0].start, click.row - window[1].start, click.column - window[2].start)


def _inside(click: Click, window: tuple[slice, slice, slice]) -> bool:
    return all(
        part.start <= at < part.stop for at, part in zip((click.slice, click.row, click.column), window, strict=True)
    )


def _round(window: tuple[slice, slice, slice], click: Click) -> Bool:
    """bool [1, rows, columns] of the window: a disk around the click."""
    rows = np.arange(window[1].start, window[1].stop)[:, None] - click.row
    columns = np.arange(window[2].start, window[2].stop)[None] - click.column
    return (rows**2 + columns**2 <= RADIUS**2)[None]


def _cost(case: Prepared, window: tuple[slice, slice, slice], here: tuple[int, int, int], tumour: bool) -> Float:
    """What makes neighbours differ and pixels unlike the click: float32 [2, ...] as the window."""
    flair = case.stack.images[..., FLAIR]
    spread = max(float(flair[case.stack.brain].std()), NOISE) if case.stack.brain.any() else NOISE
    level = flair[window].astype(np.float32) / spread
    near = level[here[0], max(0, here[1] - 1) : here[1] + 2, max(0, here[2] - 1) : here[2] + 2]
    sign = np.float32(1 if tumour else -1)
    unlike = UNLIKE * np.maximum(0, sign * (np.median(near) - level))
    if case.probability is not None:
        probability = case.probability[window].astype(np.float32)
        unlike += DOUBT * np.maximum(0, sign * (probability[here] - probability))
    return np.stack([EDGE * level, unlike])


def _distances(free: Bool, cost: Float, sources: Sequence[tuple[int, int, int]]) -> Float64:
    """From each source to all that is free, infinite beyond the limit: float64 [sources, ...] as `free`.

    The distances of Dijkstra's algorithm to the bit; the window is so small that going over all of it until nothing
    becomes nearer takes no longer.
    """
    limit = LIMIT if len(sources) == 1 else 2 * LIMIT
    out = np.full((len(sources), *free.shape), np.inf)
    for distances, source in zip(out, sources, strict=True):
        distances[source] = 0
    steps = [*_steps(free, cost)]
    before = np.zeros_like(out)
    while not np.array_equal(out, before):
        before = out.copy()
        for one, other, length in steps:
            for start, end in ((one, other), (other, one)):
                np.minimum(out[:, *end], out[:, *start] + length, out=out[:, *end])
        out[out > limit] = np.inf
    return out


def _steps(free: Bool, cost: Float) -> Iterator[tuple[Part, Part, Float64]]:
    """Two parts of the window that are neighbours pixel by pixel, and the length of the step between them."""
    level, unlike = cost
    for step in _STEPS:
        one = tuple(slice(max(0, -d), size - max(0, d)) for d, size in zip(step, free.shape, strict=True))
        other = tuple(slice(max(0, d), size - max(0, -d)) for d, size in zip(step, free.shape, strict=True))
        length = THICKNESS if step[0] else float(np.hypot(step[1], step[2]))
        harder = np.abs(level[one] - level[other]) + (unlike[one] + unlike[other]) / 2
        yield one, other, np.where(free[one] & free[other], length * (1 + harder), np.inf).astype(np.float64)
