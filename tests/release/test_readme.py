"""README and the pages of docs: short, filled in by a command, and without a link that leads nowhere."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from brainseg.errors import DataError
from release.readme import BLOCKS, PAGES, filled
from tests.pipeline import ROOT

GENERATED = ("reference/commands.md", "reference/parameters.md", "reference/python/", "gallery/")
PAGES_WITH_LINKS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_the_readme_has_at_most_130_lines():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130


@pytest.mark.parametrize("name", PAGES)
def test_figures_are_those_that_the_command_writes(name):
    page = (ROOT / name).read_text(encoding="utf-8")
    assert filled(page, ROOT) == page, "run python -m release.readme"


def test_all_blocks_are_on_a_page():
    pages = "".join((ROOT / name).read_text(encoding="utf-8") for name in PAGES)
    assert set(re.findall(r"^<!-- (\w+) -->$", pages, re.MULTILINE)) == set(BLOCKS)


def test_figures_come_from_the_files(tmp_path):
    entry = {"n": 3, "dice_mean": 0.1234, "dice_median": 0.5, "dice_ci95_low": 0.01, "dice_ci95_high": 0.9}
    for name, content in {
        "metrics/crossval.json": {"ensemble": {"pooled": entry}},
        "metrics/test.json": {"ensemble": {"volume": entry | {"dice_mean": 0.777}}},
        "studies/results/leak.json": {"unet": {"slices": 9, "leaky_slice_dice": 0.6, "honest_slice_dice": 0.4}},
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps(content))
    page = filled("# A\n<!-- results -->\nstale text\n<!-- /results -->\nend\n", tmp_path)
    assert page.startswith("# A\n<!-- results -->\n| what |")
    assert page.endswith("<!-- /results -->\nend\n")
    assert "stale text" not in page
    for text in ("**0.123** (0.010 to 0.900)", "| 0.777 (", "9 slices", "| 0.600 |", "| 0.400 |", "| 0.836 |"):
        assert text in page


@pytest.mark.parametrize(
    ("page", "said"), [("no block", "no block"), ("<!-- results -->\nno end\n", "0 times; expected it once")]
)
def test_a_page_without_its_block_is_refused(page, said, monkeypatch):
    monkeypatch.setitem(BLOCKS, "results", lambda root: "table")
    with pytest.raises(DataError, match=said):
        filled(page, ROOT)


@pytest.mark.parametrize("page", PAGES_WITH_LINKS, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_leads_nowhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path = target.partition("#")[0]
        if path and not re.match(r"[a-z]+:", path) and not path.startswith(GENERATED):
            assert (page.parent / path).exists(), f"{page.name} leads to {target}"


def test_the_model_card_has_the_header_of_model_hubs():
    text = (ROOT / "brainseg" / "weights" / "MODEL_CARD.md").read_text(encoding="utf-8")
    header = yaml.safe_load(text.split("---\n")[1])
    assert header["license"] == "cc-by-nc-sa-4.0"
    figures = header["model-index"][0]["results"][0]["metrics"]
    pooled = json.loads((ROOT / "metrics" / "crossval.json").read_text())["ensemble"]["pooled"]
    assert figures[0]["value"] == round(pooled["dice_mean"], 3)


def test_the_models_are_artifacts_of_the_pipeline():
    pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    assert {name: entry["path"] for name, entry in pipeline["artifacts"].items()} == {
        "unet": "models/unet.safetensors",
        "unetpp": "models/unetpp.safetensors",
    }
