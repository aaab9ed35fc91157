"""Rigid registration of a sequence to FLAIR, by SimpleITK: for patients who moved between the sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from brainseg.data.slices import Float64
from brainseg.scans.affine import affine_mm
from brainseg.scans.itk import simple_itk
from brainseg.scans.motion import Motion, is_still
from brainseg.scans.scan import Image

if TYPE_CHECKING:  # a scan of TIF slices does not wait for its import
    import nibabel as nib

LEVELS_MM = ((8.0, 4.0), (4.0, 2.0), (2.5, 1.0))
"""From coarse to fine: between the points at which the two are compared, and the smoothing (standard deviation).
FLAIR's slices are points of their own where they are thicker: between slices both are blurred, which feigns a match."""
SMOOTH_VOXELS = 0.5
"""The standard deviation is at least so many voxels along each axis."""
FINE_MM = 2.0
"""What is finer is averaged first: it takes room and gives nothing at points so far apart."""
POINTS = 20_000
"""Compared in each step, drawn once from the grid."""
BINS = 32
SEED = 1
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Between the axes of nibabel and those of ITK."""


def find_motion(values: Image, image: nib.Nifti1Image, flair_values: Image, flair: nib.Nifti1Image) -> Motion:
    """Find how a sequence was moved against FLAIR: the rigid motion that makes their mutual information largest.

    Mattes' mutual information (Mattes et al. 2003), from coarse to fine, by gradient descent; one thread and a fixed
    seed, so that the same files give the same motion on the same machine. It begins where the headers put the two,
    and once more with their centres of mass laid on each other; the better end counts.

    Args:
        values: the sequence, real numbers [x, y, z] as stored.
        image: its geometry.
        flair_values: FLAIR, likewise.
        flair: its geometry.

    Raises:
        UserError: SimpleITK is not installed.
    """
    with simple_itk("--register") as sitk:
        fixed, moving = _itk(sitk, flair_values, affine_mm(flair)), _itk(sitk, values, affine_mm(image))
        middle = fixed.TransformContinuousIndexToPhysicalPoint([(size - 1) / 2 for size in fixed.GetSize()])
        starts = [sitk.Euler3DTransform() for _ in range(2)]
        for start in starts:
            start.SetCenter(middle)
        starts[1].SetTranslation(_between(sitk, fixed, moving))
        motion = min(starts, key=lambda start: _descend(sitk, fixed, moving, start, *LEVELS_MM[0]))
        for level in LEVELS_MM[1:]:
            _descend(sitk, fixed, moving, motion, *level)
        matrix = np.eye(4)
        matrix[:3, :3] = np.array(motion.GetMatrix()).reshape(3, 3)
        matrix[:3, 3] = np.array(middle) + motion.GetTranslation() - matrix[:3, :3] @ middle
    to_flair = np.asarray(np.linalg.inv(_LPS @ matrix @ _LPS), np.float64)  # ITK's leads from FLAIR to the sequence
    centre = _LPS[:3, :3] @ middle
    return Motion(to_flair, centre, is_still(to_flair, centre, affine_mm(flair)))


def _itk(sitk: Any, values: Image, affine: Float64) -> Any:
    """Values and geometry as ITK has them: no finer than `FINE_MM`, and with axes at right angles."""
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    blocks = np.minimum(np.maximum(1, (FINE_MM / sizes).astype(int)), values.shape)
    coarse = _averaged(values, tuple(map(int, blocks)))
    start = affine[:3, :3] @ ((blocks - 1) / 2) + affine[:3, 3]  # where the first block's middle lies
    left, _, right = np.linalg.svd(affine[:3, :3] / sizes)
    image = sitk.GetImageFromArray(np.ascontiguousarray(coarse.T))
    image.SetSpacing((sizes * blocks).tolist())
    image.SetOrigin((_LPS[:3, :3] @ start).tolist())
    image.SetDirection((_LPS[:3, :3] @ left @ right).ravel().tolist())
    return image


def _averaged(values: Image, blocks: tuple[int, ...]) -> Image:
    """float32, the mean of each block; what does not fill one at the end is left out."""
    counts = [size // block for size, block in zip(values.shape, blocks, strict=True)]
    out = np.zeros(counts, np.float32)
    for first in np.ndindex(blocks):  # strided views: a copy of a large scan has no room
        out += values[tuple(slice(i, n * b, b) for i, n, b in zip(first, counts, blocks, strict=True))]
    return out / np.float32(np.prod(blocks))


def _between(sitk: Any, fixed: Any, moving: Any) -> list[float]:
    """From the centre of mass of one image to that of the other."""
    how = sitk.CenteredTransformInitializerFilter.MOMENTS
    found = sitk.CenteredTransformInitializer(fixed, moving, sitk.Euler3DTransform(), how)
    return list(sitk.Euler3DTransform(found).GetTranslation())


def _descend(sitk: Any, fixed: Any, moving: Any, motion: Any, apart_mm: float, smooth_mm: float) -> float:
    """Better `motion`, which leads from `fixed` to `moving`, at one level; the metric at its end, smaller is better."""
    spacing, sizes = np.array(fixed.GetSpacing()), np.array(fixed.GetSize())
    apart = np.maximum(1, np.round(apart_mm / spacing)).astype(int)
    points = np.maximum(1, sizes // apart)
    first = fixed.TransformContinuousIndexToPhysicalPoint(((sizes - 1 - (points - 1) * apart) // 2).tolist())
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetMetricAsMattesMutualInformation(BINS)
    method.MetricUseFixedImageGradientFilterOff()  # at the points alone, not of whole images
    method.MetricUseMovingImageGradientFilterOff()
    method.SetVirtualDomain(points.tolist(), first, (apart * spacing).tolist(), fixed.GetDirection())
    method.SetMetricSamplingStrategy(sitk.ImageRegistrationMethod.RANDOM)
    method.SetMetricSamplingPercentage(float(min(1.0, POINTS / points.prod())), SEED)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 0.01, 100, relaxationFactor=0.6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(motion, inPlace=True)
    method.Execute(_smooth(sitk, fixed, smooth_mm), _smooth(sitk, moving, smooth_mm))
    return float(method.GetMetricValue())


def _smooth(sitk: Any, image: Any, sigma_mm: float) -> Any:
    """At least as much as interpolation between two voxels smooths: shifts by half a voxel would win otherwise."""
    return sitk.SmoothingRecursiveGaussian(image, [max(sigma_mm, SMOOTH_VOXELS * mm) for mm in image.GetSpacing()])
