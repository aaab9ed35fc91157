"""Joint augmentation of images and masks, batch-wise on whatever device they are on."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from brainseg.params import Params

AIR = -3.0
"""About where no signal lies in standard deviations of the brain's: a coil multiplies what is above it."""


class AugmentParams(Params):
    """Strengths; 0 switches a transform off.

    Attributes:
        flip: probability of a left-right flip, 0 to 1.
        rotation_deg: largest rotation either way, degrees.
        scale: largest relative change of size (drawn log-uniformly), 0 to 1.
        shift: largest shift along each axis, share of the side.
        contrast: largest relative change of each sequence's contrast (log-uniform), 0 to 1.
        brightness: largest shift of each sequence's level, standard deviations of its intensities.
        gamma: largest exponent change of each sequence's tone curve (log-uniform), 0 to 1.
        bias: largest coefficient of a smooth field that multiplies each sequence, as an unevenly sensitive coil
            does: exp of a polynomial of second order in the window's coordinates (its model: Van Leemput et al.,
            IEEE Trans. Med. Imaging 18:885, 1999), 0 to 1.
        noise: largest standard deviation of Gaussian noise, standard deviations of the intensities.
        drop_sequence: probability that pre- or post-contrast is replaced by FLAIR, as the dataset
            does where a sequence is missing.
        flair_only: probability that both pre- and post-contrast are replaced by FLAIR.
    """

    flip: float = Field(ge=0, le=1)
    rotation_deg: float = Field(ge=0, le=180)
    scale: float = Field(ge=0, lt=1)
    shift: float = Field(ge=0, lt=1)
    contrast: float = Field(ge=0, lt=1)
    brightness: float = Field(ge=0, le=3)
    gamma: float = Field(ge=0, lt=1)
    bias: float = Field(ge=0, le=1)
    noise: float = Field(ge=0, le=3)
    drop_sequence: float = Field(ge=0, le=1)
    flair_only: float = Field(ge=0, le=1)


def augment(
    images: Tensor,
    masks: Tensor,
    params: AugmentParams,
    generator: torch.Generator,
    rows: slice = slice(None),
    batch: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Draw one transform per sample and apply it to image and mask alike.

    Args:
        images: float32 [b, 3 m, s, s], normalised, 0 outside the brain: m slices of three sequences each.
        masks: float32 [b, 1, s, s] in 0..1.
        params: the strengths.
        generator: of the CPU; the only source of randomness.
        rows: which of a larger batch these are; all draw as much, so that a slice's transform is the same however many
            processes share the batch.
        batch: size of that batch; that of `images` where None.

    Returns:
        Images as given in shape; masks float32 in 0..1 (partial at edges, from linear interpolation).
    """
    draw = _Draw(len(images) if batch is None else batch, generator, images.device, rows)
    both = _warp(torch.cat([images, masks], 1), params, draw)
    # [b, m, 3, s, s]: what is drawn for a sequence holds for all slices of the sample
    stack, masks = both[:, :-1].unflatten(1, (-1, 3)), both[:, -1:]
    inside = (stack != 0).any(2, keepdim=True)
    stack = _intensities(_drop_sequence(stack, params, draw), params, draw)
    return (stack * inside).flatten(1, 2), masks


class _Draw:
    """Uniform numbers per sample, drawn on the CPU so that they do not depend on the device."""

    def __init__(self, n: int, generator: torch.Generator, device: torch.device, rows: slice):
        self.n, self.generator, self.device, self.rows = n, generator, device, rows

    def uniform(self, *shape: int) -> Tensor:
        """[n, *shape] in -1..1."""
        return (torch.rand(self.n, *shape, generator=self.generator) * 2 - 1)[self.rows].to(self.device)

    def chance(self, probability: float, *shape: int) -> Tensor:
        """Bool [n, *shape]."""
        return (torch.rand(self.n, *shape, generator=self.generator) < probability)[self.rows].to(self.device)

    def normal(self, like: Tensor) -> Tensor:
        """Standard normal in the shape of `like`."""
        return torch.randn((self.n, *like.shape[1:]), generator=self.generator)[self.rows].to(self.device)


def _warp(stack: Tensor, params: AugmentParams, draw: _Draw) -> Tensor:
    """Flip, rotate, scale and shift; zeros come in from outside."""
    angle = draw.uniform() * math.radians(params.rotation_deg)
    factor = torch.exp(draw.uniform() * math.log1p(params.scale))
    mirror = torch.where(draw.chance(params.flip), -1.0, 1.0)
    shift = draw.uniform(2) * 2 * params.shift  # grid_sample's coordinates are 2 wide
    cos, sin = torch.cos(angle) / factor, torch.sin(angle) / factor
    matrix = torch.stack(
        [torch.stack([cos * mirror, -sin, shift[:, 0]], 1), torch.stack([sin * mirror, cos, shift[:, 1]], 1)], 1
    )
    grid = F.affine_grid(matrix, list(stack.shape), align_corners=False)
    return F.grid_sample(stack, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _drop_sequence(stack: Tensor, params: AugmentParams, draw: _Draw) -> Tensor:
    """Replace pre-contrast, post-contrast or both by FLAIR."""
    dropped = draw.chance(params.drop_sequence)
    pre = draw.chance(0.5)
    replace = torch.stack([dropped & pre, torch.zeros_like(pre), dropped & ~pre], 1)
    if params.flair_only:
        replace |= draw.chance(params.flair_only)[:, None]
    return torch.where(replace[:, None, :, None, None], stack[:, :, 1:2], stack)


def _field(side: int, strength: float, draw: _Draw) -> Tensor:
    """A smooth positive factor [b, 1, 3, s, s], near 1 in the middle of the window."""
    axis = torch.linspace(-1, 1, side, device=draw.device)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    terms = torch.stack([x, y, x * y, x * x - 1 / 3, y * y - 1 / 3])
    weights = draw.uniform(3, len(terms)) * strength
    return torch.exp(torch.einsum("bct,tyx->bcyx", weights, terms))[:, None]


def _intensities(stack: Tensor, params: AugmentParams, draw: _Draw) -> Tensor:
    """Tone curve, evenness, contrast, level and noise of each sequence by itself: scanners differ in all five."""
    if params.gamma:
        low, high = stack.amin((1, 3, 4), keepdim=True), stack.amax((1, 3, 4), keepdim=True)
        unit = (stack - low) / (high - low).clamp_min(1e-3)
        exponent = torch.exp(draw.uniform(1, 3, 1, 1) * math.log1p(params.gamma))
        stack = unit**exponent * (high - low) + low
    gain = torch.exp(draw.uniform(1, 3, 1, 1) * math.log1p(params.contrast))
    if params.bias:
        stack = (stack - AIR) * _field(stack.shape[-1], params.bias, draw) + AIR
    stack = stack * gain + draw.uniform(1, 3, 1, 1) * params.brightness
    if params.noise:
        strength = draw.uniform(1, 1, 1, 1).abs() * params.noise
        stack = stack + draw.normal(stack) * strength
    return stack
