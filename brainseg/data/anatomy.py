"""A synthetic head and its tumour: where each tissue is, without what it looks like on a scan.

Everything is a signed distance in mm (negative inside) to a smooth shape bent by smooth noise,
evaluated one axial plane at a time: no array is larger than a picture, and the same head can be
sampled at any resolution. For axes and units see `brainseg.data.shapes`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from brainseg.data.shapes import Points, SmoothNoise, Vector, inside, union
from brainseg.data.slices import Bool, Float

Layers = list[tuple[str, Float]]

STEM_END = -62.0  # mm: below it the brain stem is spinal cord


@dataclass(frozen=True)
class Pose:
    """How the head lies in the scanner: turns in radians, shifts in mm, size as a factor."""

    yaw: float
    pitch: float
    shift: tuple[float, float]
    size: Vector


class Head:
    """One person's head without a tumour; every difference between people comes from `rng`."""

    def __init__(self, rng: np.random.Generator):
        self.pose = Pose(
            yaw=float(rng.normal(0, 0.05)),
            pitch=float(rng.normal(0, 0.05)),
            shift=(float(rng.normal(0, 3)), float(rng.normal(4, 3))),
            size=tuple(rng.uniform((0.94, 0.94, 0.96), (1.04, 1.04, 1.02)).tolist()),
        )
        self.ventricle_growth = float(rng.uniform(-1.5, 2.5))  # mm: large ventricles are common in the old
        self.skull = float(rng.uniform(5, 7.5))  # mm
        self.scalp = float(rng.uniform(5, 8))  # mm
        self.bend = SmoothNoise(rng, 60), SmoothNoise(rng, 60)
        self.fold = SmoothNoise(rng, 8)
        self.fine = SmoothNoise(rng, 5)
        self.slow = SmoothNoise(rng, 30)

    def points(self, z: float, axis: Float) -> Points:
        """The plane at scanner height `z` in this head's axes, with its asymmetries undone."""
        cos, sin, lean = math.cos(self.pose.yaw), math.sin(self.pose.yaw), math.sin(self.pose.pitch)
        x, y = axis[None, :] - self.pose.shift[0], axis[:, None] - self.pose.shift[1]
        x, y = cos * x + sin * y, cos * y - sin * x
        y, tall = y - lean * z, lean * y + z
        x = x / self.pose.size[0] + 2 * self.bend[0].plane(z, axis)
        y = y / self.pose.size[1] + 2 * self.bend[1].plane(z, axis)
        return Points(x, y, (tall / self.pose.size[2]).astype(np.float32))

    @staticmethod
    def envelope(p: Points) -> Float:
        """Signed distance to the inner table of the skull, which the smooth hull of the brain fills."""
        half = p.mirrored()
        cerebrum = p.ellipsoid((0, 0, 8), (67, 83, 57))
        base = -20 - p.z  # the floor of the frontal lobes
        cerebrum = -union(-cerebrum, -base, 14)
        whole = union(cerebrum, half.ellipsoid((37, -8, -22), (25, 38, 23)), 10)
        whole = union(whole, Head.cerebellum(p), 8)
        stem = np.maximum(np.hypot(p.x, p.y - 14) - 12, p.z + 10)
        return union(whole, stem, 8)

    @staticmethod
    def cerebellum(p: Points) -> Float:
        """Signed distance to the cerebellum."""
        return p.ellipsoid((0, 44, -38), (50, 32, 27))

    def ventricles(self, p: Points) -> Float:
        """Signed distance to the lateral, third and fourth ventricles."""
        half = p.mirrored()
        # The horns lean outwards away from the middle, like a butterfly.
        reach: Float = np.abs(half.y + 4)
        lean = Points(half.x - reach * 0.25, half.y, half.z)
        horns = lean.ellipsoid((5, -22, 13), (5, 17, 9))
        body = lean.ellipsoid((7, 2, 20), (5, 26, 6))
        atrium = lean.ellipsoid((10, 30, 9), (6, 18, 8))
        lateral = union(union(horns, body, 5), atrium, 5) - self.ventricle_growth
        middle = np.minimum(p.ellipsoid((0, 4, 2), (2, 13, 11)), p.ellipsoid((0, 29, -36), (6, 6, 9)))
        return np.minimum(lateral, middle)

    def cortex(self, p: Points, depth: Float, fold: Float, swelling: Float) -> Float:
        """Depth in mm below the folded surface of the brain; negative in the CSF of sulci and fissures.

        Sulci are the sheets where smooth noise, `fold`, changes its sign: they fill the outer 20 mm
        or so and close where `swelling` (mm) presses on them.
        """
        sheet = np.abs(fold) * 5.5 - 0.8 + np.maximum(depth - 12, 0) * 0.4
        sheet = sheet + 12 * inside(self.cerebellum(p), 4)
        midline = np.abs(p.x) - 1 + np.maximum(depth - 24, 0) * 0.4 + np.maximum(-p.z, 0) * 0.5
        return np.minimum(depth - 1.5, np.minimum(sheet, midline) + swelling)

    def surface(self, p: Points, envelope: Float) -> Float:
        """Signed distance to the skin of scalp, face and neck."""
        face = union(p.ellipsoid((0, -48, -62), (56, 50, 46)), p.ellipsoid((0, 14, -100), (60, 64, 62)), 15)
        return union(envelope - (self.skull + self.scalp), face, 12)

    def plane(self, z: float, axis: Float, tumour: Tumour) -> Plane:
        """The head with its tumour at scanner height `z`, at the positions `axis` of rows and columns."""
        width = max(1.2, float(axis[1] - axis[0]))
        p = self.points(z, axis)
        envelope, growth = self.envelope(p), tumour.distance(z, axis)
        fold = self.fold.plane(z, axis)
        pial = self.cortex(p, -envelope, fold, swelling=np.clip(6 - growth, 0, 6))
        brain = (envelope < 0) & (p.z > STEM_END)
        ventricle = self.ventricles(p)
        layers = [
            *self._outside(p, envelope, self.slow.plane(z, axis), fold, width),
            *self._within(p, envelope, pial, ventricle, self.fine.plane(z, axis), width),
        ]
        mask = (growth < 0) & (envelope < -2) & (ventricle > 0) & brain
        return Plane(layers, brain, ventricle, pial, growth, mask)

    def _outside(self, p: Points, envelope: Float, slow: Float, fold: Float, width: float) -> Layers:
        skin = self.surface(p, envelope)
        head = inside(skin, width)
        fat = np.maximum(inside(-(skin + self.scalp + 0.6 * slow), 2), inside(1 - fold, 1))
        eyes = p.mirrored().ellipsoid((31, -80, -34), (12, 12, 12))
        cavity = union(p.ellipsoid((0, -72, -48), (15, 22, 20)), p.ellipsoid((0, -50, -70), (14, 20, 18)), 5)
        table = envelope - self.skull - 0.8 * slow
        marrow: Float = np.abs(table + self.skull / 2)
        return [
            ("muscle", head),
            ("fat", head * fat),
            ("fat", head * inside(eyes - 5, width)),
            ("eye", inside(eyes, width)),
            ("air", inside(cavity + 4 * slow, width)),
            ("bone", head * inside(table, width)),
            ("fat", 0.3 * head * inside(marrow - 0.6, width)),
        ]

    def _within(self, p: Points, envelope: Float, pial: Float, ventricle: Float, fine: Float, width: float) -> Layers:
        hull = inside(envelope, width)
        nuclei = inside(p.mirrored().ellipsoid((21, -6, 6), (9, 22, 13)), 3)
        folia = inside(self.cerebellum(p), 3) * np.clip(0.5 + 0.6 * fine, 0, 1)
        sinus = np.hypot(p.x, envelope + 1.5) - 3  # superior sagittal: in the midline, under the skull
        return [
            ("csf", hull),
            ("grey", hull * inside(-pial, width)),
            ("white", hull * inside(3 + 0.4 * fine - pial, width)),
            ("grey", hull * np.maximum(0.7 * nuclei, folia) * inside(-pial, width)),
            ("csf", hull * inside(ventricle, width)),
            ("vessel", hull * inside(np.maximum(sinus, 20 - np.maximum(p.z, p.y)), width)),
        ]


class Tumour:
    """A lobulated ellipsoid centred on a slice, at a place that is brain but not ventricle.

    Args:
        rng: source of place and shape.
        head: where it grows.
        radius: mean radius in mm.
        heights: heights of the slices in mm.
        axis: positions of rows and columns in mm.
    """

    def __init__(self, rng: np.random.Generator, head: Head, radius: float, heights: Float, axis: Float):
        self.radius = radius
        stretch = rng.uniform(0.8, 1.25, 3)
        turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
        self.axes = (turn * (stretch / np.prod(stretch) ** (1 / 3))).T.tolist()
        self.lobes = SmoothNoise(rng, max(0.8 * radius, 6))
        self.centre = self._place(rng, head, heights, axis)

    def _place(self, rng: np.random.Generator, head: Head, heights: Float, axis: Float) -> Vector:
        z = float(heights[np.argmin(np.abs(heights - rng.uniform(-12, 40)))])
        p = head.points(z, axis)
        room = np.minimum(-head.envelope(p), 2 * head.ventricles(p))
        rows, columns = np.nonzero(room >= min(0.6 * self.radius + 4, 0.9 * float(room.max())))
        pick = int(rng.random() * len(rows))
        return float(axis[columns[pick]]), float(axis[rows[pick]]), z

    def distance(self, z: float, axis: Float) -> Float:
        """Signed distance in mm to its surface on the plane at height `z`, negative inside."""
        x, y, height = self.centre
        across, down, up = axis[None, :] - x, axis[:, None] - y, z - height
        level = np.sqrt(sum((across * a + down * b + up * c) ** 2 for a, b, c in self.axes))
        # Lobes stay below half the radius, so that the centre is always inside.
        lobes = np.clip(0.22 * self.lobes.plane(z, axis), -0.5, 0.5)
        return level - self.radius * (1 + lobes)


@dataclass(frozen=True)
class Plane:
    """What one axial plane consists of; all arrays are [height, width].

    Attributes:
        layers: (tissue, coverage 0-1) to paint one over the other, in this order.
        brain: bool, the hull of the brain, sulci and ventricles included.
        ventricle, pial, growth: signed distance in mm to the ventricles and the tumour, and depth
            below the folded surface of the brain.
        tumour: bool, the true mask.
    """

    layers: Layers
    brain: Bool
    ventricle: Float
    pial: Float
    growth: Float
    tumour: Bool
