"""A package that is missing is named, with the extra that brings it; a defect of our own stays one."""

from __future__ import annotations

import pytest

from brainseg.errors import UserError, extra


def test_a_missing_package_is_one_sentence():
    with pytest.raises(UserError) as caught, extra("torch", "this model"):
        raise ModuleNotFoundError("No module named 'timm.models'", name="timm.models")
    assert (
        str(caught.value)
        == "this model needs timm, which is not installed; run pip install '.[torch]' in the clone of brainseg."
    )


@pytest.mark.parametrize("name", ["brainseg.nowhere", None])
def test_a_module_of_our_own_that_is_missing_is_a_defect(name):
    with pytest.raises(ModuleNotFoundError), extra("torch", "this model"):
        raise ModuleNotFoundError("No module", name=name)
