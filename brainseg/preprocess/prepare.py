"""From slices to what the networks see: `brainseg predict` and the pipeline share this code."""

from __future__ import annotations

from collections.abc import Callable

from brainseg.data.slices import U8, AnyStack
from brainseg.preprocess.clahe import ClaheParams, apply_clahe
from brainseg.preprocess.skull_strip import Brain, cut_out


def prepare(stack: AnyStack, find: Callable[[U8], Brain], clahe: ClaheParams) -> tuple[AnyStack, Brain]:
    """Find the brain, set all outside of it to 0, equalise contrast inside: the stages skull_strip and clahe in one.

    Args:
        stack: slices as they came.
        find: of its images uint8 [n, height, width, 3] the brain. With its recipe, its gate and what it does where
            no brain is found: training falls back to other methods (`find_brain`), a scan is refused.
        clahe: see `ClaheParams`.

    Returns:
        The prepared stack, and its brain with the warnings of finding it.
    """
    brain = find(stack.images)
    return apply_clahe(cut_out(stack, brain.mask), clahe), brain
