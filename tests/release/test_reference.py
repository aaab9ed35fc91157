"""The site's reference says of every parameter and command what the code does."""

from __future__ import annotations

import re

import pytest
import yaml

from brainseg.cli import app
from brainseg.params import Params
from release.commands import commands_page, parameters, stage
from release.reference import meanings, parameters_page, python_pages, write_reference
from tests.pipeline import ROOT, STAGES, shipped_params


def leaves(section, prefix=""):
    """Values of nested mappings by dotted key."""
    found = {}
    for key, value in section.items():
        found |= leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


@pytest.fixture(scope="module")
def rows():
    """Key, default, accepted values and meaning of each row."""
    page = parameters_page(ROOT / "params.yaml")
    return re.findall(r"^\| `([a-z_.0-9]+)` \| (.*?) \| (.*?) \| (.*) \|$", page, re.MULTILINE)


def test_every_parameter_has_a_row_with_its_default_and_a_meaning(rows):
    table = {key: yaml.safe_load(default.strip("`")) for key, default, _, _ in rows if default}
    assert table == leaves(shipped_params())
    assert all(len(meaning) > 5 for *_, meaning in rows)


def test_a_parameter_that_is_not_in_the_file_says_how_to_add_it(rows):
    added = {key: meaning for key, default, _, meaning in rows if not default}
    assert set(added) == {"skull_strip.weights", "skull_strip.weights_sha256"}
    assert all(f"-S +{key}=" in meaning for key, meaning in added.items())


def test_ranges_and_names_are_those_that_the_class_accepts(rows):
    accepted = {key: text for key, _, text, _ in rows}
    assert accepted["skull_strip.method"] == "`student`, `deepbet`, `mazurowski`, `classical`, `none`"
    assert accepted["train.input_size"] == "integer from 32 to 1024"
    assert accepted["split.val"] == "number above 0 below 1"
    assert accepted["postprocess.thresholds"] == "list: number above 0 below 1"
    assert accepted["train.mirror"] == "`true`, `false`"


def test_a_parameter_without_a_meaning_is_named():
    class Silent(Params):
        """Says something.

        Attributes:
            loud: over
                two lines.
        """

        loud: int
        quiet: int

    with pytest.raises(LookupError, match="Silent says nothing of quiet"):
        meanings(Silent)


def test_every_command_and_stage_has_its_section():
    page = commands_page()
    titles = re.findall(r"^### (.*)$", page, re.MULTILINE)
    functions = [found.callback.__name__ for found in app.registered_commands]
    modules = dict.fromkeys(re.sub(r"^train_.*", "train", name) for name in STAGES)
    assert titles == [f"brainseg {name}" for name in functions] + [
        f"python -m stages.{name}" for name in ("code", *modules, "check")
    ]


def test_options_are_written_as_they_are_given():
    predict = next(found.callback for found in app.registered_commands if found.callback.__name__ == "predict")
    names = {parameter.name: parameter for parameter in parameters(predict)}
    assert names["`--tta` / `--no-tta`"].value == "switch"
    assert names["`--score`"].default == ""
    assert names["`--out`"].default == "required"
    assert names["`--workers`"].default == "`1`"
    assert names["`INPUT...`"].value == "path"
    assert "`--params`" in {parameter.name for parameter in parameters(stage("split"))}


def test_every_room_has_a_page_of_python():
    rooms = {path.parent.name for path in (ROOT / "brainseg").glob("*/__init__.py")} - {
        "commands"
    }  # have their own page
    pages = python_pages()
    assert {f"python/{room}.md" for room in rooms} <= set(pages)
    assert ".. automodule:: brainseg.evaluation.overlap" in pages["python/evaluation.md"]


def test_what_did_not_change_is_not_written_again(tmp_path):
    write_reference(tmp_path, ROOT / "params.yaml")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.md")}
    write_reference(tmp_path, ROOT / "params.yaml")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.md")} == before
