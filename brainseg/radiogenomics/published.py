"""What Buda, Saha and Mazurowski 2019 report of all 110 patients, beside what is found here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

LEVEL = 0.005
"""p below this counted there: 0.05 over ten hypotheses (Bonferroni)."""
AUC = {"predicted": 0.80, "manual": 0.78}
"""Area under the ROC curve of RNASeq cluster R2 against the rest by inverse BEVR."""
NAMES = {"asd": "ASD", "bevr": "BEVR", "mf": "MF", "bevr_largest": "BEVR of the largest part"}


class Claim(NamedTuple):
    """An association as reported: Fisher's exact test of a feature's halves gave a p below `p`.

    `clustering` is a name of `association.CLUSTERS`, or None for each of those that were tested.
    """

    feature: str
    clustering: str | None
    p: float


CLAIMS = (Claim("bevr", "RNASeq", 0.0002), Claim("mf", "RNASeq", 0.005), Claim("bevr", None, 0.02))


class Verdict(NamedTuple):
    """A claim and what is found here.

    Attributes:
        claim: as published.
        found: clustering -> Fisher's p here, of those that the claim is about.
        holds: those whose p is below the claimed one, and counts: those whose p is below `LEVEL`.
    """

    claim: Claim
    found: Mapping[str, float]
    holds: Sequence[str]
    counts: Sequence[str]


def verdicts(associations: Sequence[Mapping[str, Any]]) -> list[Verdict]:
    """Each claim beside the same test here.

    Args:
        associations: rows of metrics/radiogenomics.json, as `association.Association`.
    """
    said = []
    for claim in CLAIMS:
        found = {
            str(row["clustering"]): float(row["fisher_p"])
            for row in associations
            if row["feature"] == claim.feature and claim.clustering in (None, row["clustering"])
        }
        below = [[name for name, p in found.items() if p < level] for level in (claim.p, LEVEL)]
        said.append(Verdict(claim, found, *below))
    return said


def sentence(verdict: Verdict) -> str:
    """In words."""
    claim, found = verdict.claim, verdict.found
    about = claim.clustering or "each tested clustering"
    text = f"{NAMES[claim.feature]} and {about}: published p < {claim.p:g}"
    if not found:
        return f"{text}, not tested here"
    if claim.clustering:
        p = found[claim.clustering]
        weaker = f"above that, but below {LEVEL:g}" if verdict.counts else "not found here"
        level = "below that" if verdict.holds else weaker
        return f"{text}, here p = {p:.2g}: {level}"
    rest = [f"{name} {p:.2g}" for name, p in found.items() if name not in verdict.holds]
    return f"{text}, here {len(verdict.holds)} of {len(found)}" + (f"; not {', '.join(rest)}" if rest else "")
