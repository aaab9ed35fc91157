"""The table of models: complete, told apart, and of the networks that can be built."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from brainseg.model import networks
from brainseg.model.catalogue import CATALOGUE, ENSEMBLE, MODELS, NETWORKS, TRUTH_COLOUR
from brainseg.params import shipped

ROOT = Path(__file__).resolve().parents[2]


def test_the_networks_are_those_that_can_be_built_and_have_parameters():
    assert tuple(networks.BUILDERS) == NETWORKS
    assert set(NETWORKS) < set(shipped())


def test_the_ensemble_stands_last():
    assert MODELS == (*NETWORKS, ENSEMBLE) == tuple(CATALOGUE)


def test_no_two_models_look_or_sound_alike():
    for part in ("label", "colour", "symbol"):
        assert len({getattr(entry, part) for entry in CATALOGUE.values()}) == len(CATALOGUE), part
    colours = [entry.colour for entry in CATALOGUE.values()]
    assert TRUTH_COLOUR not in colours
    assert all(re.fullmatch("#[0-9A-F]{6}", colour) for colour in (*colours, TRUTH_COLOUR))


@pytest.mark.parametrize(
    "path",
    ["brainseg/view/page/app.js", "brainseg/view/page/style.css", "docs/tutorials/plot_1_first_mask.py"],
)
def test_a_predicted_mask_has_the_ensembles_colour_everywhere(path: str):
    colour = CATALOGUE[ENSEMBLE].colour
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    text = (ROOT / path).read_text(encoding="utf-8")
    forms = (colour, colour.lower(), f"[{red}, {green}, {blue}]", f"({blue}, {green}, {red})")
    assert any(form in text for form in forms)


def test_dvcs_plots_have_the_same_colours():
    for path in (ROOT / ".dvc" / "plots").glob("*_by_model.json"):
        if (scale := json.loads(path.read_text())["encoding"].get("color", {}).get("scale")) is not None:
            named = dict(zip(scale["domain"], scale["range"], strict=True))
            assert named == {name: entry.colour.lower() for name, entry in CATALOGUE.items()}, path.name


def test_the_table_loads_no_torch():
    code = "import sys, brainseg.model.catalogue; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
