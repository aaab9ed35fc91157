"""What mirp is handed and hands back: known volumes and sizes."""

import numpy as np
import pytest

from brainseg.errors import DataError
from brainseg.radiogenomics.ibsi import FEATURES, ibsi_features

SPACING = (4.0, 0.5, 1.0)


def test_a_box_has_its_size(capfd: pytest.CaptureFixture[str]):
    mask = np.zeros((12, 40, 24), bool)
    mask[3:8, 5:33, 4:20] = True
    found = ibsi_features(mask, SPACING)
    assert tuple(found) == FEATURES
    # The mesh runs through the voxels' centres and cuts corners: a little less than 5 x 28 x 16 voxels of 2 mm3.
    assert found["volume"] == pytest.approx(mask.sum() * 2.0, rel=0.03)
    assert found["vol_dens_aabb"] == pytest.approx(1, abs=0.03)
    assert found["vol_dens_conv_hull"] == pytest.approx(1, abs=1e-6)
    assert found["sphericity"] == pytest.approx((36 * np.pi * found["volume"] ** 2) ** (1 / 3) / found["area_mesh"])
    # Four standard deviations along each axis: sides of 20, 14 and 16 mm, uniform.
    axes = [4 * side / np.sqrt(12) for side in (20, 16, 14)]
    measured = [found[f"pca_{name}_axis"] for name in ("maj", "min", "least")]
    assert measured == pytest.approx(axes, rel=0.03)
    assert capfd.readouterr() == ("", "")


def test_one_voxel_has_a_volume_and_no_axes():
    mask = np.zeros((3, 5, 5), bool)
    mask[1, 2, 2] = True
    found = ibsi_features(mask, (1.0, 1.0, 1.0))
    assert 0 < found["volume"] <= 1
    assert np.isnan(found["pca_maj_axis"])


def test_without_mirp_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "mirp", None)
    with pytest.raises(DataError, match=r"pip install '\.\[radiogenomics\]' in the clone"):
        ibsi_features(np.ones((2, 2, 2), bool), SPACING)
