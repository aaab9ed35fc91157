"""The published claims beside what is found."""

from brainseg.radiogenomics.published import sentence, verdicts


def row(feature: str, clustering: str, p: float) -> dict:
    return {"feature": feature, "clustering": clustering, "fisher_p": p}


def test_each_claim_is_judged_by_its_own_level():
    bevr, mf, every = verdicts([row("bevr", "RNASeq", 0.001), row("mf", "RNASeq", 0.004), row("bevr", "miRNA", 0.03)])
    assert (list(bevr.holds), list(bevr.counts)) == ([], ["RNASeq"])
    assert sentence(bevr) == "BEVR and RNASeq: published p < 0.0002, here p = 0.001: above that, but below 0.005"
    assert sentence(mf) == "MF and RNASeq: published p < 0.005, here p = 0.004: below that"
    assert every.found == {"RNASeq": 0.001, "miRNA": 0.03}
    assert sentence(every) == "BEVR and each tested clustering: published p < 0.02, here 1 of 2; not miRNA 0.03"


def test_what_is_not_found_or_not_tested_is_said():
    _, mf, _ = verdicts([row("mf", "RNASeq", 0.2)])
    assert sentence(mf).endswith("here p = 0.2: not found here")
    assert [sentence(verdict).endswith("not tested here") for verdict in verdicts([])] == [True] * 3
