"""The table of models: complete, told apart, and of the networks that can be built."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

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


def test_the_table_loads_no_torch():
    code = "import sys, brainseg.model.catalogue; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
