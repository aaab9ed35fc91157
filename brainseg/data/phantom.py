"""The built-in synthetic patients: FLAIR-abnormal tumours in heads, written as the public dataset's raw tree.

They exist to run the whole pipeline anywhere in minutes; no figure measured on them says anything
about patients.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile
from pydantic import Field

from brainseg.data.anatomy import Head, Plane, Tumour
from brainseg.data.raw import MASK_SUFFIX, TREE, barcode
from brainseg.data.shapes import BOTTOM, FIELD_OF_VIEW, TOP, SmoothNoise, inside
from brainseg.data.slices import FLAIR, U8, Float, SliceSet
from brainseg.files import atomic_folder, write_csv
from brainseg.params import Params

if TYPE_CHECKING:
    import pandas as pd

# Signal of each tissue on the pre-contrast T1, FLAIR and post-contrast T1 picture, on the 0-255 scale.
SIGNAL = {
    "bone": (10, 8, 12),
    "fat": (165, 175, 165),
    "muscle": (55, 48, 65),
    "air": (0, 0, 0),
    "eye": (25, 15, 28),
    "csf": (24, 16, 26),
    "grey": (60, 74, 66),
    "white": (76, 62, 82),
    "vessel": (20, 15, 150),
}
# Tumour radii in mm by patient index: the first 4 are a range of sizes, 1 in 16 is tiny.
RADII = (17.0, 29.0, 10.0, 23.0, 6.0, 26.0, 13.5, 20.0, 15.0, 28.0, 9.5, 24.0, 12.0, 31.0, 18.0, 21.5)
# Of 16 patients in a row, who lacks which channel and has FLAIR there (in the dataset 6 and 9 of 110 do).
MISSING = {11: 0, 5: 2}
COIL_SCALE = 110.0  # mm over which a coil's sensitivity changes
# Codes of data.csv and the ranges to draw them from.
CLINICAL = {
    "RNASeqCluster": (1, 4),
    "MethylationCluster": (1, 5),
    "miRNACluster": (1, 4),
    "CNCluster": (1, 3),
    "RPPACluster": (1, 4),
    "OncosignCluster": (1, 3),
    "COCCluster": (1, 3),
    "histological_type": (1, 3),
    "neoplasm_histologic_grade": (1, 2),
    "tumor_tissue_site": (1, 1),
    "laterality": (1, 3),
    "tumor_location": (1, 6),
    "gender": (1, 2),
    "age_at_initial_pathologic": (20, 75),
    "race": (1, 4),
    "ethnicity": (1, 2),
    "death01": (0, 1),
}
ALWAYS_KNOWN = ("gender", "age_at_initial_pathologic", "death01")


class PhantomParams(Params):
    """How many synthetic patients and how finely they are sampled.

    Attributes:
        patients: number of patients.
        slices: nominal axial slices a patient, over 150 mm; patients differ by up to a tenth.
        size: height and width in pixels, over 240 mm.
    """

    patients: int = Field(ge=1, le=500)
    slices: int = Field(ge=4, le=155)
    size: int = Field(ge=64, le=512)


@dataclass(frozen=True)
class Scanner:
    """What a site's machine does to a picture.

    Attributes:
        noise: standard deviation of the Gaussian noise in both quadrature channels, on the 0-255 scale.
        bias: standard deviation of the logarithm of the coil's sensitivity.
        blur: standard deviation of the point spread, in mm.
        gain: factor on pre-contrast, FLAIR and post-contrast signal.
        fat: factor on fat in the three sequences (below 1: fat suppression).
    """

    noise: float
    bias: float
    blur: float
    gain: tuple[float, float, float]
    fat: tuple[float, float, float]


SCANNERS = {
    "CS": Scanner(1.6, 0.10, 0.6, (1.0, 0.8, 0.85), (1.0, 1.0, 0.6)),
    "DU": Scanner(2.4, 0.13, 0.5, (0.9, 1.0, 0.9), (1.0, 1.0, 1.0)),
    "FG": Scanner(2.0, 0.11, 0.7, (1.1, 1.15, 1.1), (0.95, 0.9, 0.95)),
    "HT": Scanner(2.8, 0.15, 0.6, (1.0, 1.4, 1.0), (0.95, 0.8, 0.8)),
}


def site(index: int) -> str:
    """The site of a patient; shifts by one every 16 patients so that sites and tumour sizes mix."""
    return list(SCANNERS)[(index + index // len(RADII)) % len(SCANNERS)]


def patient_name(index: int) -> str:
    """PHANTOM_<site>_<number>_<date>: the dataset's pattern, but no TCGA barcode."""
    date = f"{2000 + index % 20}{1 + index % 12:02d}{1 + index % 28:02d}"
    return f"PHANTOM_{site(index)}_{index + 1:04d}_{date}"


class Look:
    """How one patient's tumour and white matter appear, drawn once a patient.

    Attributes:
        tumour: signal on pre-contrast, FLAIR and post-contrast.
        rim: signal that contrast agent adds to parts of the tumour's rim; 0 where it does not enhance.
        caps: signal that ageing adds around the ventricles on FLAIR: bright, but no tumour.
    """

    def __init__(self, rng: np.random.Generator):
        t1 = float(rng.uniform(50, 62))
        self.tumour = (t1, float(rng.uniform(114, 145)), t1 + 4)
        self.rim = float(rng.uniform(40, 80)) * float(rng.random() < 0.5)
        self.caps = float(rng.uniform(15, 40))
        self.texture = SmoothNoise(rng, 12)
        self.patches = SmoothNoise(rng, 16)
        self.dots = SmoothNoise(rng, 6)

    def paint(self, picture: Float, plane: Plane, z: float, axis: Float) -> None:
        """Add caps, spots and tumour to a `picture` [3, height, width] of the healthy head, in place."""
        texture, patches = self.texture.plane(z, axis), self.patches.plane(z, axis)
        white = inside(3 - plane.pial, 2) * inside(-plane.ventricle, 1) * plane.brain
        caps = np.clip(1 - plane.ventricle / 7, 0, 1) * np.clip(0.6 + 0.6 * patches, 0, 1)
        spots = 0.4 * inside(2.7 - self.dots.plane(z, axis), 0.5)
        picture[FLAIR] += self.caps * white * np.maximum(caps, spots)

        # Sulci and ventricles keep their fluid; towards its edge the tumour fades into oedema.
        share = inside(plane.growth, 2.5) * inside(-plane.pial, 2) * inside(-plane.ventricle, 1) * plane.brain
        for channel, signal in enumerate(self.tumour):
            mottled = signal * (1 + 0.07 * texture) * (1 - 0.1 * inside(plane.growth + 10, 8))
            picture[channel] += share * (mottled - picture[channel])
        rim = inside(np.abs(plane.growth + 4) - 2, 2) * np.clip(texture, 0, 1)
        picture[2] += self.rim * rim * share


def make_patient(index: int, params: PhantomParams, seed: int) -> SliceSet:
    """One synthetic patient, the same whatever `params.patients` is.

    Args:
        index: 0-based; decides site, tumour size, and which patients lack a sequence.
        params: sampling.
        seed: the pipeline's seed.

    Returns:
        Slices 1 (below the cerebellum) to n (the vertex). Unlike a patient read from a raw tree,
        `brain` is the truth: the hull of the brain, sulci and ventricles included.
    """
    rng = np.random.default_rng([seed, index])
    heights, axis = _sampling(rng, params)
    scanner, head, look = SCANNERS[site(index)], Head(rng), Look(rng)
    coils = [SmoothNoise(rng, COIL_SCALE) for _ in range(3)]
    radius = RADII[index % len(RADII)] * float(rng.uniform(0.9, 1.1))
    tumour = Tumour(rng, head, radius, heights, axis)
    images = np.empty((len(heights), params.size, params.size, 3), np.uint8)
    masks, brain = np.empty((2, *images.shape[:3]), bool)
    for number, z in enumerate(heights.tolist()):
        plane = head.plane(z, axis, tumour)
        picture = _healthy(plane, scanner)
        look.paint(picture, plane, z, axis)
        for channel, coil in enumerate(coils):
            picture[channel] *= scanner.gain[channel] * np.exp(scanner.bias * coil.plane(z, axis))
        images[number] = _scan(picture, scanner, params.size, rng)
        masks[number], brain[number] = plane.tumour, plane.brain
    if index % 16 in MISSING:
        images[..., MISSING[index % 16]] = images[..., FLAIR]
    return SliceSet(images, masks, brain, np.arange(1, len(heights) + 1))


def _sampling(rng: np.random.Generator, params: PhantomParams) -> tuple[Float, Float]:
    """Heights of the slices' middles, bottom to top, and positions of rows and columns, both in mm."""
    spread = params.slices // 10
    count = min(max(params.slices + int(rng.integers(-spread, spread + 1)), 4), 155)
    heights = BOTTOM + (TOP - BOTTOM) / count * (np.arange(count) + 0.5)
    axis = FIELD_OF_VIEW * ((np.arange(params.size) + 0.5) / params.size - 0.5)
    return heights.astype(np.float32), axis.astype(np.float32)


def _healthy(plane: Plane, scanner: Scanner) -> Float:
    """Signal [3, height, width] of a plane without tumour, noise or bias."""
    picture = np.zeros((3, *plane.brain.shape), np.float32)
    for tissue, share in plane.layers:
        fat = scanner.fat if tissue == "fat" else (1.0, 1.0, 1.0)
        for channel in range(3):
            picture[channel] += share * (SIGNAL[tissue][channel] * fat[channel] - picture[channel])
    return picture


def _scan(picture: Float, scanner: Scanner, size: int, rng: np.random.Generator) -> U8:
    """Blur, add Rician noise (the magnitude of a complex signal) and round to uint8 [height, width, 3]."""
    blur = scanner.blur * size / FIELD_OF_VIEW
    blurred = _blurred(picture, blur)
    real, imaginary = scanner.noise * rng.standard_normal((2, *picture.shape), np.float32)
    magnitude = np.hypot(blurred + real, imaginary)
    return np.moveaxis(np.clip(np.rint(magnitude), 0, 255).astype(np.uint8), 0, -1)


def _blurred(picture: Float, spread: float) -> Float:
    """Gaussian blur of float32 [k, height, width] in the plane, mirrored at the edge; the bits are scipy.ndimage's."""
    radius = int(4 * spread + 0.5)
    weights = np.exp(-0.5 / spread**2 * np.arange(radius + 1) ** 2)
    weights /= np.concatenate([weights[:0:-1], weights]).sum()
    for axis in (1, 2):
        border = [(radius, radius) if each == axis else (0, 0) for each in range(3)]
        padded = np.moveaxis(np.pad(picture, border, "symmetric").astype(np.float64), axis, 0)
        size = picture.shape[axis]
        total = padded[radius : radius + size] * weights[0]
        for far in range(radius, 0, -1):
            both = padded[radius - far : radius - far + size] + padded[radius + far : radius + far + size]
            total += both * weights[far]
        picture = np.moveaxis(total.astype(np.float32), 0, axis)
    return picture


def write_phantom(out: Path, params: PhantomParams, seed: int) -> None:
    """Write `params.patients` synthetic patients into `out` as the public dataset's raw tree.

    `kaggle_3m/<patient>/<patient>_<n>.tif` is uint8 RGB [size, size, 3] (pre-contrast, FLAIR,
    post-contrast), `_mask.tif` beside it uint8 0 or 255 [size, size], both uncompressed, and
    `kaggle_3m/data.csv` has the dataset's columns. The same arguments give the same bytes.
    `kaggle_3m` must not be there, or be empty; it appears when all is written.
    """
    with atomic_folder(out / TREE) as tree:
        for index in range(params.patients):
            patient = make_patient(index, params, seed)
            folder = tree / patient_name(index)
            folder.mkdir()
            numbers = patient.slices.tolist()
            for number, image, mask in zip(numbers, patient.images, patient.masks, strict=True):
                stem = f"{folder.name}_{number}"
                _write_tif(folder / f"{stem}.tif", image, "rgb")
                _write_tif(folder / f"{stem}{MASK_SUFFIX}.tif", mask.astype(np.uint8) * 255, "minisblack")
        write_csv(tree / "data.csv", clinical_table(params.patients, seed))


def _write_tif(path: Path, array: U8, photometric: str) -> None:
    # No metadata and no software tag: nothing in the file depends on the version of tifffile or the date.
    tifffile.imwrite(path, array, photometric=photometric, metadata=None, software=False)


def clinical_table(patients: int, seed: int) -> pd.DataFrame:
    """Made-up rows with the columns of the dataset's data.csv; about one value in twelve is missing."""
    import pandas as pd

    rows = []
    for index in range(patients):
        rng = np.random.default_rng([seed, index, 1])
        row: dict[str, object] = {"Patient": barcode(patient_name(index))}
        for column, (low, high) in CLINICAL.items():
            value, known = int(rng.integers(low, high + 1)), rng.random() > 1 / 12
            row[column] = value if known or column in ALWAYS_KNOWN else None
        rows.append(row)
    table = pd.DataFrame(rows)
    return table.astype({column: "Int64" for column in CLINICAL})
