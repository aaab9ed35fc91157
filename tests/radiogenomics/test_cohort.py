"""Tables of many patients: who is measured, who is known, and what is told of them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brainseg.data.raw import barcode
from brainseg.errors import DataError
from brainseg.params import shipped_section
from brainseg.radiogenomics.association import CLUSTERS
from brainseg.radiogenomics.cohort import (
    RadiogenomicsParams,
    radiogenomics,
    read_clinical,
    sentences,
    shape_table,
    with_clusters,
)

PARAMS = shipped_section("radiogenomics", RadiogenomicsParams, ibsi=False, bootstrap=200)
PATIENTS = [f"TCGA_CS_{number:04d}_20000101" for number in range(24)]


def blob(elongation: int) -> np.ndarray:
    """An upright box of 4 slices, 8 rows and some columns, a corner missing."""
    mask = np.zeros((8, 40, 60), bool)
    mask[2:6, 10:18, 5 : 5 + elongation] = True
    mask[5, 10:14, 5 : 5 + elongation // 2] = False
    return mask


def clinical() -> pd.DataFrame:
    clusters = {column: np.tile([1.0, 2.0], 12) for column in CLUSTERS}
    return pd.DataFrame({"patient": [barcode(name) for name in PATIENTS]} | clusters)


def masks() -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Patients of cluster 2 (every other one) have the jagged tumours, hence the low BEVR."""
    found = []
    for index, name in enumerate(PATIENTS):
        mask = blob(10 + index)
        if index % 2:
            mask[3:5, 14, 5 : 35 + index] = True  # a spike
        found.append((name, mask, np.arange(1, len(mask) + 1)))
    return found


def test_a_cluster_that_shape_tells_is_told():
    table = shape_table(masks(), PARAMS)
    results = radiogenomics(table, table, clinical(), PARAMS, seed=1)
    assert results["manual"] == results["predicted"]
    assert (results["manual"]["n"], results["manual"]["empty"], results["manual"]["clustered"]) == (24, 0, 24)
    bevr = [row for row in results["manual"]["associations"] if row["feature"] == "bevr"]
    assert len(bevr) == len(CLUSTERS)
    # All 12 of each cluster in one half: 2 tables of choose(24, 12) are as unlikely.
    assert bevr[0]["fisher_p"] == pytest.approx(2 / 2704156)
    assert results["manual"]["r2_by_inverse"]["bevr"]["auc"] == 1
    assert results["agreement"]["bevr"]["icc"] == 1
    assert "R2 by inverse BEVR: AUC 1.00 (1.00 to 1.00)" in sentences(results)[0]


def test_empty_masks_are_counted_and_left_out():
    some = masks()
    empty = [(name, mask & (index >= 3), numbers) for index, (name, mask, numbers) in enumerate(some)]
    table = shape_table(empty, PARAMS)
    assert table["volume"].head(3).tolist() == [0, 0, 0]
    assert table["bevr"].isna().sum() == 3
    results = radiogenomics(shape_table(some, PARAMS), table, clinical(), PARAMS, seed=1)
    assert (results["predicted"]["n"], results["predicted"]["empty"]) == (21, 3)
    assert results["agreement"]["bevr"]["n"] == 21
    assert sentences(results)[1].startswith("predicted masks: 21 (3 more are empty), 21 of them with a genomic cluster")


def test_nobody_known_and_nothing_predicted_tell_nothing(tmp_path: Path):
    nobody = read_clinical(tmp_path / "data.csv")
    results = radiogenomics(shape_table(masks(), PARAMS), shape_table([], PARAMS), nobody, PARAMS, seed=1)
    assert results["manual"]["n"] == 24
    assert results["manual"]["associations"] == []
    assert results["manual"]["clustered"] == results["predicted"]["n"] == 0
    assert results["manual"]["r2_by_inverse"] == {"bevr": None, "bevr_largest": None}
    assert results["agreement"] == {}
    assert sentences(results)[1] == "predicted masks: 0, 0 of them with a genomic cluster"


def test_clusters_come_by_the_barcode_and_stay_unknown_without():
    table = pd.DataFrame({"patient": ["TCGA_CS_0001_20000101", "07"], "bevr": [0.5, 0.6]})
    joined = with_clusters(table, clinical())
    assert joined["RNASeqCluster"].tolist()[0] == 2
    assert joined["RNASeqCluster"].isna().tolist() == [False, True]
    assert list(joined) == ["patient", "bevr", *CLUSTERS]


def test_the_datasets_table_is_read_and_another_one_is_not(tmp_path: Path):
    path = tmp_path / "data.csv"
    clusters = ",".join(CLUSTERS)
    path.write_text(f"Patient,{clusters},gender\nTCGA_CS_4941,2,4,2,2,,3,2,1\n0007,1,1,1,1,1,1,1,2\n")
    table = read_clinical(path)
    assert table["patient"].tolist() == ["TCGA_CS_4941", "0007"]
    assert table["RPPACluster"].isna().tolist() == [True, False]
    path.write_text("a,b\n1,2\n")
    with pytest.raises(
        DataError,
        match=r"is not the dataset's table .a column is missing.; expected Patient and, in numbers, RNA",
    ):
        read_clinical(path)
    path.write_text(f"Patient,{clusters}\nTCGA_CS_4941,two,4,2,2,,3,2\n")
    with pytest.raises(DataError, match="is not the dataset's table"):
        read_clinical(path)
