"""Brain extraction with deepbet (Fisch et al., Comput. Biol. Med. 179:108845, 2024).

Its weights lie inside the installed package as TorchScript archives, so nothing is downloaded.
"""

from __future__ import annotations

import numpy as np

from brainseg.data.slices import U8, Bool

_THRESHOLD = 0.5


class DeepbetStripper:
    """deepbet's two 3-D networks on the CPU, where the same input gives the same mask."""

    def __init__(self) -> None:
        from deepbet.bet import BrainExtraction

        self._networks = BrainExtraction(no_gpu=True)

    def brain_mask(self, flair: U8) -> Bool:
        """Find the brain in a FLAIR stack.

        TIF slices carry no geometry, so a usual orientation is assumed: axial, from the feet upwards,
        anterior at the top, the patient's right on the left. deepbet resamples its input to a cube:
        orientation matters to it, spacing does not.

        Args:
            flair: uint8 [n, height, width].

        Returns:
            bool [n, height, width], one 26-connected component without holes; empty if deepbet found no head.
        """
        if len(flair) == 1:  # deepbet finds nothing in a cube without depth; two slices alike have some
            return self.brain_mask(np.repeat(flair, 2, 0))[:1]
        # Columns run to the patient's left, rows to posterior, slices to superior; deepbet's axes grow to the right,
        # to anterior and to superior. Its own `run` does this by way of NIfTI, and keeps three more copies as floats.
        turned = flair.transpose(2, 1, 0)[::-1, ::-1]
        try:
            found = self._networks.run_model(turned.astype(np.float32, order="C")) > _THRESHOLD
            mask: Bool = self._networks.postprocess(found)
        except (AssertionError, ValueError):  # raised by deepbet where its first network sees no brain
            return np.zeros(flair.shape, bool)
        return np.ascontiguousarray(mask[::-1, ::-1].transpose(2, 1, 0))
