"""Where the mask's edge is unsure: between the masks at both shares of the highest probability in `BAND`.

It is kept as text in a case's JSON, so that it can be shown without the probabilities.
"""

from __future__ import annotations

import base64
import binascii
import zlib

import numpy as np

from brainseg.data.slices import Bool, Float
from brainseg.errors import DataError
from brainseg.scans.canvas import Canvas, mask_from_canvas
from brainseg.trust.opinions import BAND


def unsure_edge(probability: Float, canvas: Canvas) -> Bool:
    """Voxels of the scan between both thresholds; none where no tumour is seen.

    Args:
        probability: float32 [n, side, side] in 0..1, on the canvas.
        canvas: where the scan's slices lie on it.
    """
    peak = float(probability.max(initial=0))
    low, high = (mask_from_canvas(probability, canvas, np.float32(max(share * peak, 1e-6))) for share in BAND)
    return low & ~high


def as_text(mask: Bool) -> str:
    """Bits in the order of the array, eight to a byte, deflated, in base64."""
    return base64.b64encode(zlib.compress(np.packbits(mask).tobytes(), 9)).decode("ascii")


def from_text(text: str, shape: tuple[int, ...], what: str = "the unsure edge") -> Bool:
    """What `as_text` wrote of a mask of this shape; `what` it is of, begins the sentences.

    Raises:
        DataError: it is damaged, or of another size.
    """
    voxels = int(np.prod(shape))
    size = -(-voxels // 8)
    try:
        reader = zlib.decompressobj()
        bits = reader.decompress(base64.b64decode(text, validate=True), size + 1)
    except (binascii.Error, ValueError, zlib.error):
        raise DataError(f"{what} is damaged; run brainseg predict again.") from None
    if len(bits) != size or not reader.eof:
        raise DataError(f"{what} has not the {voxels} voxels of the scan; run brainseg predict again.")
    return np.unpackbits(np.frombuffer(bits, np.uint8), count=voxels).astype(bool).reshape(shape)
