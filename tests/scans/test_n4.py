"""N4 takes out a brightness that was put in, and keeps what it should."""

from __future__ import annotations

import numpy as np
import pytest

from brainseg.scans.array_origin import ArrayOrigin
from brainseg.scans.scan import Scan, fill_sequences
from tests.scans.heads import SPACING, head


def scan(**sequences: np.ndarray) -> Scan:
    n = len(sequences["flair"])
    return Scan("case", fill_sequences(sequences), SPACING, np.arange(n), tuple(sequences), (), (), ArrayOrigin())


def spread(values: np.ndarray, tissue: np.ndarray) -> float:
    """Standard deviation over mean of what is all of one tissue."""
    return float(values[tissue].std() / values[tissue].mean())


@pytest.mark.slow
def test_a_known_field_is_taken_out():
    pytest.importorskip("SimpleITK")
    from brainseg.scans.n4 import without_bias

    flair, _ = head(n=12)
    z, y, x = np.mgrid[-1:1:12j, -1:1:128j, -1:1:128j]
    biased = flair * np.exp(0.4 * x - 0.3 * y + 0.2 * z)
    tissue = (flair > 90) & (flair < 110)  # brain without tumour
    before = scan(flair=biased.astype(np.float32))
    after = without_bias(before)
    assert spread(before.images[..., 1], tissue) > 0.15
    assert spread(after.images[..., 1], tissue) < 0.08
    assert after.images.dtype == np.float32
    assert after.images.strides[3] == 0  # FLAIR alone is still a view
    assert after.digest == without_bias(before).digest


def test_8_bit_stays_8_bit_and_other_sequences_are_their_own():
    pytest.importorskip("SimpleITK")
    from brainseg.scans.n4 import without_bias

    flair, _ = head(n=3, side=64)  # fewer slices than the spline has points
    after = without_bias(scan(flair=flair, post=flair // 2))
    assert after.images.dtype == np.uint8
    assert not np.array_equal(after.images[..., 1], after.images[..., 2])
    assert np.array_equal(after.images[..., 0], after.images[..., 1])  # no pre: FLAIR again, as corrected
