"""Does a shape feature go with a genomic cluster? The published procedure, and one that loses nothing by halving.

Published (Mazurowski et al. 2017, Buda et al. 2019): the feature is split at its median, and Fisher's exact test asks
whether the halves have other clusters; with ten hypotheses, p < 0.005 counts (Bonferroni). Beside it the test of
Kruskal and Wallis on the ranks, with epsilon squared as effect size (Tomczak and Tomczak 2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from scipy.special import gammaln

from brainseg.errors import DataError

Table = npt.NDArray[np.int64]
CLUSTERS = {
    "RNASeqCluster": "RNASeq",
    "MethylationCluster": "methylation",
    "miRNACluster": "miRNA",
    "CNCluster": "copy number",
    "RPPACluster": "RPPA",
    "OncosignCluster": "OncoSign",
    "COCCluster": "cluster of clusters",
}
"""Columns of data.csv, and what they are."""


class Association(NamedTuple):
    """One feature and one clustering.

    Attributes:
        feature, clustering: their names.
        n: patients with both. missing: patients without a cluster.
        clusters: number of clusters among them.
        fisher_p: of the halves against the clusters. cramers_v: effect size of that table, 0 to 1.
        rank_p: Kruskal-Wallis. epsilon_squared: its effect size, 0 to 1.
        rank_p_adjusted: Holm's, over all rows of one call.
    """

    feature: str
    clustering: str
    n: int
    missing: int
    clusters: int
    fisher_p: float
    cramers_v: float
    rank_p: float
    epsilon_squared: float
    rank_p_adjusted: float


def associations(patients: pd.DataFrame, features: Sequence[str]) -> list[Association]:
    """Test every feature against every clustering.

    Args:
        patients: a row each: the features, and the columns of `CLUSTERS`, missing where unknown.
        features: columns of `patients`, no value missing.

    Returns:
        A row per feature and clustering with at least two clusters and two different values; none without patients.
    """
    rows = []
    for feature in features:
        for column, name in CLUSTERS.items():
            known = patients[patients[column].notna()]
            if known[column].nunique() < 2 or known[feature].nunique() < 2:
                continue
            values, clusters = known[feature].to_numpy(float), known[column].to_numpy(np.int64)
            table = halves_by_cluster(values, clusters)
            groups = [values[clusters == cluster] for cluster in np.unique(clusters)]
            h = stats.kruskal(*groups)
            rows.append(
                Association(
                    feature=feature,
                    clustering=name,
                    n=len(known),
                    missing=len(patients) - len(known),
                    clusters=len(groups),
                    fisher_p=fisher_exact(table),
                    cramers_v=cramers_v(table),
                    rank_p=float(h.pvalue),
                    epsilon_squared=float(h.statistic / (len(known) - 1)),
                    rank_p_adjusted=1.0,
                )
            )
    adjusted = holm([row.rank_p for row in rows])
    return [row._replace(rank_p_adjusted=p) for row, p in zip(rows, adjusted, strict=True)]


def cramers_v(table: Table) -> float:
    """Cramer's V of counts [rows, columns], 0 to 1; 0 where all patients are in one row."""
    if not table.sum(1).all():
        return 0.0
    return float(stats.contingency.association(table, method="cramer"))


def halves_by_cluster(values: npt.NDArray[np.float64], clusters: Table) -> Table:
    """Counts int64 [2, clusters]: patients below the median of `values`, and from it on, in each cluster."""
    high = values >= np.median(values)
    names = np.unique(clusters)
    return np.array([[np.sum((clusters == name) & (high == half)) for name in names] for half in (False, True)])


def fisher_exact(table: Table) -> float:
    """Fisher's exact test of a table of two rows (Freeman and Halton 1951 for more than two columns).

    The two-sided p: the probability, margins given, of all tables that are no likelier than this one.

    Args:
        table: counts [2, columns].

    Returns:
        p, 1 where a margin is empty.
    """
    columns, target = table.sum(0), int(table[0].sum())
    logs = [np.array([_log_choose(int(c), x) for x in range(int(c) + 1)]) for c in columns]
    total = _log_choose(int(columns.sum()), target)
    # likelihoods by column, all first rows with the right sum; the last column's count follows from the others
    sums, weights = np.zeros(1, np.int64), np.zeros(1)
    for c, log in zip(columns[:-1], logs[:-1], strict=True):
        sums = np.add.outer(sums, np.arange(c + 1)).ravel()
        weights = np.add.outer(weights, log).ravel()
        kept = sums <= target
        sums, weights = sums[kept], weights[kept]
    last = target - sums
    kept = last <= columns[-1]
    likelihood = weights[kept] + logs[-1][last[kept]] - total
    observed = sum(log[x] for log, x in zip(logs, table[0], strict=True)) - total
    return float(min(np.exp(likelihood[likelihood <= observed + 1e-7]).sum(), 1.0))


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (1979), in the order given."""
    values = np.asarray(p, float)
    order = values.argsort()
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted.tolist()


class Roc(NamedTuple):
    """How well a feature tells one cluster from the others.

    Attributes:
        auc: area under the ROC curve. low, high: 95% bootstrap interval.
        positive, n: patients of the cluster, and all.
    """

    auc: float
    low: float
    high: float
    positive: int
    n: int


def roc(values: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_], resamples: int, seed: int) -> Roc:
    """Area under the ROC curve; high values speak for `positive`.

    The interval is a percentile bootstrap within both groups.

    Args:
        values: float [patients].
        positive: bool [patients].
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        DataError: only one of the two groups is there.
    """
    if positive.all() or not positive.any():
        raise DataError(f"{positive.sum()} of {len(positive)} patients are of the cluster: there is nothing to tell.")
    inside, outside = values[positive], values[~positive]
    random = np.random.default_rng(seed)
    drawn = [_auc(random.choice(inside, len(inside)), random.choice(outside, len(outside))) for _ in range(resamples)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Roc(_auc(inside, outside), float(low), float(high), len(inside), len(values))


def _auc(inside: npt.NDArray[np.float64], outside: npt.NDArray[np.float64]) -> float:
    ranks = stats.rankdata(np.concatenate([inside, outside]))[: len(inside)]
    return float((ranks.sum() - len(inside) * (len(inside) + 1) / 2) / (len(inside) * len(outside)))


def _log_choose(n: int, k: int) -> float:
    return float(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
