import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from brainseg.errors import DataError
from brainseg.radiogenomics.association import associations, cramers_v, fisher_exact, halves_by_cluster, holm, roc


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 15), min_size=4, max_size=4))
def test_fisher_of_two_columns_is_scipys(cells):
    table = np.array(cells).reshape(2, 2)
    expected = stats.fisher_exact(table).pvalue
    assert fisher_exact(table) == pytest.approx(1.0 if np.isnan(expected) else expected, abs=1e-9)


def test_fisher_of_more_columns_by_hand():
    """Margins 2|2 over 2, 1, 1: six equally likely ways to choose the first row's two of four patients."""
    assert fisher_exact(np.array([[2, 0, 0], [0, 1, 1]])) == pytest.approx(2 / 6)
    assert fisher_exact(np.array([[1, 1, 0], [1, 0, 1]])) == pytest.approx(1)


def test_fisher_of_more_columns_agrees_with_a_simulation():
    table = np.array([[10, 4, 2, 9], [3, 8, 9, 6]])
    method = stats.MonteCarloMethod(n_resamples=40_000, rng=np.random.default_rng(1))
    assert fisher_exact(table) == pytest.approx(stats.fisher_exact(table, method=method).pvalue, abs=0.004)


def test_an_empty_margin_tells_nothing():
    assert fisher_exact(np.array([[0, 0, 0], [3, 1, 2]])) == pytest.approx(1)


def test_halves_are_split_at_the_median():
    table = halves_by_cluster(np.array([1.0, 2, 3, 4, 5]), np.array([1, 1, 2, 2, 2]))
    assert table.tolist() == [[2, 0], [0, 3]]  # the median itself is in the upper half


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1, 1]


def test_area_is_scikit_learns_and_lies_within_its_interval():
    random = np.random.default_rng(0)
    positive = random.random(60) < 0.4
    values = (random.normal(size=60) + positive).round(1)  # with ties
    found = roc(values, positive, 500, 1)
    assert found.auc == pytest.approx(roc_auc_score(positive, values))
    assert found.low < found.auc < found.high
    assert (found.positive, found.n) == (positive.sum(), 60)
    assert roc(-values, positive, 100, 1).auc == pytest.approx(1 - found.auc)
    with pytest.raises(DataError, match="0 of 3 patients"):
        roc(np.arange(3.0), np.zeros(3, bool), 100, 1)


def test_a_feature_that_is_the_cluster_is_found_and_noise_is_not():
    random = np.random.default_rng(2)
    patients = [f"TCGA_CS_{i:04d}" for i in range(80)]
    clinical = pd.DataFrame({"patient": patients, "RNASeqCluster": np.repeat([1, 2, 3, 4], 20)})
    for column in ("MethylationCluster", "miRNACluster", "CNCluster", "RPPACluster", "OncosignCluster", "COCCluster"):
        clinical[column] = random.integers(1, 4, 80)
    clinical.loc[:9, "CNCluster"] = np.nan
    clinical["COCCluster"] = 1  # nothing to compare
    shapes = pd.DataFrame({"patient": patients, "bevr": np.repeat([1.0, 2, 3, 4], 20) + random.normal(0, 0.1, 80)})
    joined = shapes.merge(clinical, on="patient")
    found = {row.clustering: row for row in associations(joined, ["bevr"])}
    assert "cluster of clusters" not in found
    best = found["RNASeq"]
    assert (best.n, best.missing, best.clusters) == (80, 0, 4)
    assert best.fisher_p < 1e-6
    assert best.cramers_v == pytest.approx(1)
    assert best.epsilon_squared > 0.9
    values = [shapes["bevr"][clinical["RNASeqCluster"] == cluster] for cluster in (1, 2, 3, 4)]
    assert best.rank_p == pytest.approx(stats.kruskal(*values).pvalue)
    assert best.rank_p_adjusted == pytest.approx(6 * best.rank_p)
    assert (found["copy number"].n, found["copy number"].missing) == (70, 10)
    assert found["methylation"].fisher_p > 0.01
    assert associations(joined.assign(bevr=1.0), ["bevr"]) == []
    assert associations(joined.iloc[:0], ["bevr"]) == []


def test_cramers_v_by_hand():
    assert cramers_v(np.array([[10, 0], [0, 10]])) == pytest.approx(1)
    assert cramers_v(np.array([[5, 5], [5, 5]])) == pytest.approx(0)
    assert cramers_v(np.array([[0, 0], [5, 5]])) == 0
