"""What is kept of a fold counts where its experiment is gone, and no longer where it is there again."""

import dvc.api
import pytest

from brainseg.errors import DataError
from studies import fold_results


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Experiments of the clone, by name; their files hold their name and the file's."""
    found: dict[str, int] = {}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fold_results, "experiments", lambda: found)
    monkeypatch.setattr(dvc.api, "read", lambda file, rev: f"{rev}: {file}")
    return found


def test_what_was_kept_stays_when_the_experiment_is_gone(here):
    here["crossval-1"] = 1
    fold_results.keep("crossval-1")
    assert sorted(path.name for path in (fold_results.KEPT / "crossval-1").iterdir()) == [
        "params.yaml", "per_patient.csv", "shape.csv", "test.json", "trust_features.csv", "val.json",
    ]  # fmt: skip
    here.clear()
    here["crossval-0"] = 0
    assert fold_results.texts(fold_results.TRUST) == {
        0: "crossval-0: metrics/trust_features.csv", 1: "crossval-1: metrics/trust_features.csv",
    }  # fmt: skip
    with pytest.raises(DataError, match="the masks of crossval-1 are not in this clone, only its figures"):
        fold_results.with_masks()


def test_an_experiment_that_is_here_counts_before_what_was_kept(here):
    here["crossval-2"] = 2
    fold_results.keep("crossval-2")
    (fold_results.KEPT / "crossval-2" / "per_patient.csv").write_text("of before")
    assert fold_results.texts(fold_results.PER_PATIENT) == {2: "crossval-2: metrics/per_patient.csv"}
    assert fold_results.with_masks() == ["crossval-2"]


def test_a_fold_that_is_nowhere_is_one_sentence(here):
    (fold_results.KEPT / "notes").mkdir(parents=True)
    assert fold_results.texts(fold_results.PER_PATIENT) == {}
    (fold_results.KEPT / "crossval-3").mkdir()
    with pytest.raises(DataError, match=r"crossval-3.per_patient\.csv does not exist, and crossval-3 is no experiment"):
        fold_results.texts(fold_results.PER_PATIENT)
