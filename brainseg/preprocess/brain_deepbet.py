"""Brain extraction with deepbet (Fisch et al., Comput. Biol. Med. 179:108845, 2024).

Its weights lie inside the installed package as TorchScript archives, so nothing is downloaded.
"""

from __future__ import annotations

import numpy as np

from brainseg.data.slices import U8, Bool

FIELD_OF_VIEW_MM = 240.0  # the longer in-plane side: 0.94 mm a pixel at 256 pixels
STACK_HEIGHT_MM = 150.0


class DeepbetStripper:
    """deepbet's two 3-D networks on the CPU, where the same input gives the same mask."""

    def __init__(self) -> None:
        from deepbet.bet import BrainExtraction

        self._networks = BrainExtraction(no_gpu=True)

    def brain_mask(self, flair: U8) -> Bool:
        """Find the brain in a FLAIR stack.

        TIF slices carry no geometry, so a usual one is assumed: axial, from the feet upwards,
        anterior at the top, the patient's right on the left. deepbet resamples its input to a cube:
        orientation matters to it, spacing does not.

        Args:
            flair: uint8 [n, height, width].

        Returns:
            bool [n, height, width], one 26-connected component without holes; empty if deepbet found no head.
        """
        import nibabel as nib

        n, height, width = flair.shape
        pixel = FIELD_OF_VIEW_MM / max(height, width)
        # Columns run to the patient's left, rows to posterior, slices to superior;
        # NIfTI's axes grow to the right, to anterior and to superior, hence the signs.
        affine = np.diag([-pixel, -pixel, STACK_HEIGHT_MM / n, 1.0])
        volume = nib.Nifti1Image(flair.transpose(2, 1, 0).astype(np.float32), affine)
        try:
            _, mask, _ = self._networks.run(volume)
        except (AssertionError, ValueError):  # raised by deepbet where its first network sees no brain
            return np.zeros(flair.shape, bool)
        return np.ascontiguousarray(np.asarray(mask.dataobj).transpose(2, 1, 0)) > 0
