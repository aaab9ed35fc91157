"""What a network is shown of a volume."""

from __future__ import annotations

import numpy as np
import pytest

from brainseg.data.slices import Volume
from brainseg.model.forward import half, volume_views
from brainseg.params import shipped
from brainseg.preprocess.inputs import InputParams

PARAMS = InputParams(**{key: shipped()["train"][key] for key in InputParams.model_fields} | {"input_size": 32})


@pytest.mark.parametrize(("tta", "times"), [(False, 1), (True, 2)])
def test_slices_without_brain_are_not_shown_and_have_no_tumour(tta: bool, times: int) -> None:
    brain = np.zeros((5, 40, 40), bool)
    brain[[1, 2, 4], 8:32, 8:32] = True
    images = np.where(brain[..., None], np.arange(1, 6, dtype=np.uint8)[:, None, None, None] * 40, 0).repeat(3, -1)
    shown = []

    def network(inputs: np.ndarray) -> np.ndarray:
        shown.append(len(inputs))
        return np.ones((len(inputs), 1, *inputs.shape[2:]), np.float32)

    stack = Volume(images.astype(np.uint8), brain, np.arange(5))
    found = volume_views(network, stack, PARAMS, tta=tta, batch_size=2).mean
    assert shown == [2] * times + [1] * times
    np.testing.assert_array_equal(found[brain], 1)
    assert not found[[0, 3]].any()


def test_half_precision_is_numpys_to_the_bit_also_where_numbers_are_too_small_for_an_exponent() -> None:
    every = np.arange(0x3C01, dtype=np.uint16).view(np.float16).astype(np.float32)  # 0 to 1
    between = (every[1:] + every[:-1]) / 2  # which round to the even one
    found = np.concatenate([every, between, np.nextafter(between, 0), np.nextafter(between, 1)])
    np.testing.assert_array_equal(half(found).view(np.uint16), found.astype(np.float16).view(np.uint16))
