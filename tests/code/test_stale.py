"""What DVC says is stale after a change of the code, in a scratch checkout in which every stage counts as run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.pipeline import STAGES, Checkout, change_params, outputs, set_up, shipped_params, stages_run

TRAINING = {"train_unet", "train_unetpp"}
UP_TO_DATE = "Data and pipelines are up to date."


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout with outputs made up, and recorded as those of its stages."""
    checkout = set_up(tmp_path_factory.mktemp("run"))
    checkout.dvc("repro", "code")
    for name in (name for stage in STAGES for name in outputs(stage)):
        path = checkout.root / name
        if path.suffix:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
        else:
            path.mkdir(parents=True)
            (path / "one").write_text(name)
    checkout.dvc("commit", "--force")
    checkout.commit("results")
    assert UP_TO_DATE in checkout.dvc("status")
    return checkout


@pytest.fixture
def copied(run: Checkout, tmp_path: Path) -> Checkout:
    """A copy to change."""
    return run.copy(tmp_path)


def change(checkout: Checkout, name: str, old: str, new: str) -> None:
    path = checkout.root / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def stale(checkout: Checkout) -> set[str]:
    """The stages that are stale by themselves, once the digests are of the code as it is."""
    assert "code" in checkout.stale()
    checkout.code()
    return checkout.stale() - {"code"}


def test_what_computes_nothing_makes_code_alone_run(copied: Checkout) -> None:
    change(copied, "brainseg/model/losses.py", "Weighted sum of", "Sum of")
    change(copied, "brainseg/preprocess/inputs.py", "# standard deviations", "# of them")
    change(copied, "brainseg/model/training.py", "lower the learning rate", "choose a lower learning rate")
    change(copied, "brainseg/preprocess/skull_strip.py", '"mazurowski": _mazurowski', '"otsu": _otsu, "more": _otsu')
    change(copied, "brainseg/preprocess/skull_strip.py", "def _deepbet(", "def _otsu(params): ...\n\n\ndef _deepbet(")
    change(copied, "brainseg/preprocess/agreement.py", '"deepbet", ', '"deepbet", "otsu", ')
    assert copied.stale() == {"code"}
    assert stale(copied) == set()
    assert copied.git("status", "--short", "digests") == ""


def test_a_parameter_makes_code_run_and_its_own_stages_stale(copied: Checkout) -> None:
    change_params(copied.root, {"evaluate": {"overlays": 3}})
    assert json.loads(copied.dvc("status", "--json")).keys() == {"code", "evaluate"} == copied.stale()
    assert stages_run(copied.dvc("repro", "code")) == ["code"]
    assert json.loads(copied.dvc("status", "--json")).keys() == {"evaluate"}
    assert copied.git("status", "--short", "digests") == ""


def test_a_section_that_is_added_makes_only_the_page_stale(copied: Checkout) -> None:
    third = {"third": shipped_params()["unet"]}
    with (copied.root / "brainseg" / "defaults.yaml").open("a") as defaults:
        defaults.write(yaml.safe_dump(third))
    change_params(copied.root, third)
    copied.dvc("repro", "code")  # in a process that reads those defaults
    assert copied.stale() == {"evaluate"}  # its page names the parameters of all sections


def test_a_network_that_nobody_chose_makes_no_training_stale(copied: Checkout) -> None:
    change(copied, "brainseg/model/networks.py", '"unetpp": _unetpp}', '"unetpp": _unetpp, "third": _unet}')
    assert stale(copied) == {"postprocess"}  # it averages whatever was trained


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("model/losses.py", "target.sum() + 1)", "target.sum() + 2)", TRAINING),
        ("preprocess/inputs.py", "margin: int = 4", "margin: int = 5", TRAINING | {"postprocess"}),
        ("preprocess/classical.py", "= 9, 8, 10, 10", "= 9, 8, 10, 11", {"skull_strip"}),
    ],
    ids=["loss", "crop", "brain extraction"],
)
def test_a_number_makes_exactly_the_stages_stale_that_compute_with_it(
    name: str, old: str, new: str, expected: set[str], copied: Checkout
) -> None:
    change(copied, f"brainseg/{name}", old, new)
    assert stale(copied) == expected
    changed = copied.git("diff", "--unified=0", "digests")
    module = f"brainseg.{name.removesuffix('.py').replace('/', '.')}."
    assert {line.split("  ")[1].startswith(module) for line in changed.splitlines() if re.match(r"\+\w", line)} == {
        True
    }


def test_a_fresh_clone_of_recorded_results_has_nothing_to_do_but_fetch(copied: Checkout, tmp_path: Path) -> None:
    clone = Checkout(tmp_path / "clone", tmp_path / "clone-home")
    copied.git("clone", "--quiet", str(copied.root), str(clone.root))
    found = json.loads(clone.dvc("status", "--json"))
    assert "code" not in found
    assert "digests/" not in json.dumps(found)
