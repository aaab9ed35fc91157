"""Grey values for the eye."""

from __future__ import annotations

import numpy as np

from brainseg.scans.scan import Image

WHITE_PERCENTILE = 99.5


def white_level(values: Image) -> float:
    """The value to show as white: few are brighter, but these may be by far. 1 where that is 0, or there are none.

    Args:
        values: any real dtype, the part of a picture that is to be seen; a copy, for its order is lost.
    """
    return (float(np.percentile(values, WHITE_PERCENTILE, overwrite_input=True)) if values.size else 0.0) or 1.0
