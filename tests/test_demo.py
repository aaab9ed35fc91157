"""The scratch copy of `make demo`: what is copied, what is left alone, what is said when it fails."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]


def load_demo() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo_run", ROOT / "demo" / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


demo = load_demo()

# One stage that counts its runs outside of its dependencies and outputs.
STAGE = """
import pathlib, sys, yaml
runs = pathlib.Path("runs.txt")
runs.write_text(str(int(runs.read_text()) + 1 if runs.exists() else 1))
epochs = yaml.safe_load(open("params.yaml"))["train"]["epochs"]
out = pathlib.Path("metrics/test.json")
out.parent.mkdir(exist_ok=True)
out.write_text('{"epochs": %d}' % epochs)
sys.exit(epochs == 99)
"""
DVC_YAML = """
stages:
  only:
    cmd: python -m stages.only
    deps: [stages/only.py]
    params: [train.epochs]
    metrics: [{metrics/test.json: {cache: false}}]
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    for name, content in {
        "brainseg/__init__.py": "",
        "brainseg/__pycache__/__init__.pyc": "bytecode",
        "stages/__init__.py": "",
        "stages/only.py": STAGE,
        "dvc.yaml": DVC_YAML,
        ".dvc/plots/bars.json": "{}",
        "dvc.lock": "of the real data",
        "metrics/test.json": '{"real": 1}',
        "params.yaml": "train: {epochs: 50, lr: 0.1}\nseed: 1\n",
        "demo/params.yaml": "train: {epochs: 2}\n",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def snapshot(root: Path) -> dict[str, tuple[int, bytes]]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_the_copy_holds_the_pipeline_and_no_result(checkout, tmp_path):
    copy = tmp_path / "copy"
    demo.set_up(checkout, copy)
    assert set(snapshot(copy)) == {
        ".dvc/config",
        ".dvc/plots/bars.json",
        "brainseg/__init__.py",
        "dvc.yaml",
        "params.yaml",
        "stages/__init__.py",
        "stages/only.py",
    }
    assert yaml.safe_load((copy / "params.yaml").read_text()) == {
        "train": {"epochs": 2, "lr": 0.1},
        "seed": 1,
    }


def test_an_unchanged_checkout_touches_nothing(checkout, tmp_path):
    copy = tmp_path / "copy"
    demo.set_up(checkout, copy)
    before = snapshot(copy)
    demo.set_up(checkout, copy)
    assert snapshot(copy) == before


def test_changes_and_removals_follow_and_results_stay(checkout, tmp_path):
    copy = tmp_path / "copy"
    (checkout / "stages" / "old.py").write_text("old")
    demo.set_up(checkout, copy)
    (copy / "data").mkdir()
    (copy / "data" / "result.bin").write_text("kept")
    (copy / "dvc.lock").write_text("of the demo")
    (checkout / "stages" / "old.py").unlink()
    (checkout / "brainseg" / "__init__.py").write_text("new = 1")
    demo.set_up(checkout, copy)
    assert not (copy / "stages" / "old.py").exists()
    assert (copy / "brainseg" / "__init__.py").read_text() == "new = 1"
    assert (copy / "data" / "result.bin").read_text() == "kept"
    assert (copy / "dvc.lock").read_text() == "of the demo"


def test_merge_replaces_lists_and_scalars_whole():
    base = {"a": {"x": 1, "y": [1, 2]}, "b": {"z": 3}}
    assert demo.merge(base, {"a": {"y": [9]}, "b": None, "c": 4}) == {
        "a": {"x": 1, "y": [9]},
        "b": None,
        "c": 4,
    }
    assert base == {"a": {"x": 1, "y": [1, 2]}, "b": {"z": 3}}


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("dvc.yaml", None, "dvc.yaml does not exist"),
        ("demo/params.yaml", None, "params.yaml does not exist"),
        ("demo/params.yaml", "- a list\n", "holds a list, expected a mapping"),
        ("params.yaml", "a: [1", "is not valid YAML"),
    ],
)
def test_a_broken_checkout_is_named(checkout, tmp_path, name, content, sentence):
    if content is None:
        (checkout / name).unlink()
    else:
        (checkout / name).write_text(content)
    with pytest.raises(demo.DemoError, match=sentence):
        demo.set_up(checkout, tmp_path / "copy")


@pytest.mark.slow
def test_dvc_runs_in_the_copy_once_and_leaves_the_checkout_alone(checkout):
    subprocess.run(["git", "init", "-q"], cwd=checkout, check=True)
    copy = checkout / ".demo"
    before = snapshot(checkout)
    for _ in range(2):
        demo.set_up(checkout, copy)
        demo.reproduce(copy)
    assert (copy / "runs.txt").read_text() == "1"
    assert (copy / "metrics" / "test.json").read_text() == '{"epochs": 2}'
    after = {name: state for name, state in snapshot(checkout).items() if not name.startswith(".demo/")}
    assert after == before

    (checkout / "demo" / "params.yaml").write_text("train: {epochs: 99}\n")
    demo.set_up(checkout, copy)
    with pytest.raises(demo.DemoError, match="The demo stopped"):
        demo.reproduce(copy)


def test_missing_metrics_are_one_sentence(tmp_path):
    pytest.importorskip("brainseg.report.text_table")
    with pytest.raises(demo.DemoError, match="does not exist although dvc repro succeeded"):
        demo.print_results(tmp_path)


def test_every_dependency_of_the_pipeline_is_in_the_copy_or_made_there():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].values()
    names = [
        {kind: [next(iter(item)) if isinstance(item, dict) else item for item in stage.get(kind, [])]
         for kind in ("deps", "outs", "metrics", "plots")}
        for stage in stages
    ]  # fmt: skip
    made = {name for stage in names for kind in ("outs", "metrics", "plots") for name in stage[kind]}
    for name in {name for stage in names for name in stage["deps"]}:
        within = {name, *map(str, Path(name).parents)}
        assert within & (made | set(demo.PARTS)), f"{name} is missing from demo.run.PARTS"
    assert not {name for name in made if name.split("/")[0] in demo.PARTS}


def test_the_demo_changes_only_parameters_that_exist():
    def paths(section: dict, prefix: str = "") -> set[str]:
        nested = {key: value for key, value in section.items() if isinstance(value, dict)}
        return {prefix + key for key in section}.union(
            *(paths(value, f"{prefix}{key}.") for key, value in nested.items())
        )

    base, changes = (yaml.safe_load((ROOT / name).read_text()) for name in ("params.yaml", "demo/params.yaml"))
    assert changes
    assert paths(changes) <= paths(base)
