"""dvc.yaml, params.yaml, README and the code: each says what the others do."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stages._reach import Project
from stages.code import FOLDERS
from tests.pipeline import KEPT, ROOT, STAGES, command, dvc_yaml, lookup, outputs, shipped_params, tracked

DVC = dvc_yaml()
PARAMS = shipped_params()
ALL_STAGES = ("code", *STAGES)
BASE = ("cache", "compiled", "errors", "files", "params", "progress", "shipped", "terminal")
ROOMS = (
    BASE,
    "data",
    "scans",
    "preprocess",
    "evaluation",
    "model",
    "inference",
    "trust",
    "segmentation",
    "cohort",
    "correct",
    "radiogenomics",
    "report",
    "view",
    "edit",
    "commands",
    "cli",
)
LATE = [
    "from __future__ import annotations",
    "from typing import TYPE_CHECKING, Any",
    "if TYPE_CHECKING:",
    "def __getattr__(name: str) -> Any:",
]


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(path: Path) -> Iterator[str]:
    """Full names of what a file imports, also within functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def dotted(section: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Leaves of nested mappings by dotted key."""
    leaves = {}
    for key, value in section.items():
        leaves |= dotted(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return leaves


def test_the_stages_stand_in_the_order_in_which_they_run():
    assert tuple(DVC["stages"]) == ALL_STAGES


def test_dvc_yaml_is_short():
    stages = (ROOT / "dvc.yaml").read_text(encoding="utf-8").split("\nplots:")[0]
    assert len(stages.splitlines()) <= 15 * len(ALL_STAGES)  # a stage that is added has its own


def test_each_stage_runs_after_those_whose_outputs_it_reads():
    made_by = {name: stage for stage in ALL_STAGES for name in outputs(stage)}
    for stage in ALL_STAGES:
        needed = {made_by[name] for name in DVC["stages"][stage]["deps"] if name in made_by}
        assert needed <= set(ALL_STAGES[: ALL_STAGES.index(stage)]), stage


def test_code_runs_whenever_any_parameter_has_changed():
    assert tracked("code") == list(PARAMS)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_reads_and_writes_what_its_command_names(stage):
    """Folders and files in the command are dependencies or outputs, or hold some."""
    listed = [Path(name) for name in (*DVC["stages"][stage]["deps"], *outputs(stage))]
    for word in (word for word in command(stage)[1:] if "/" in word or "." in word):
        assert any(Path(word) in (name, *name.parents) for name in listed), f"{word} is neither read nor written"


def test_no_import_escapes_what_is_followed():
    project = Project(ROOT, FOLDERS)
    for path in sources("brainseg", "stages"):
        text = path.read_text(encoding="utf-8")
        relative = [n.lineno for n in ast.walk(ast.parse(text)) if isinstance(n, ast.ImportFrom) and n.level]
        assert not relative, f"{path}: relative import in line {relative[0]}"
        assert not re.search(r"spec_from_file|sys\.modules\[[^\]]*\]\.", text), path
        assert not project.piece(module_name(path), "").dynamic, path


def test_package_files_hold_a_docstring_alone_and_the_first_the_version_and_what_it_fetches_late():
    for path in (path for path in sources("brainseg", "stages") if path.name == "__init__.py"):
        docstring, *rest = ast.parse(path.read_text(encoding="utf-8")).body
        assert isinstance(docstring, ast.Expr), path
        if path.parent == ROOT / "brainseg":
            late = [node for node in rest if not isinstance(node, ast.Assign)]
            assert [ast.unparse(node).split("\n")[0] for node in late] == LATE
            rest = [node for node in rest if node not in late]
        targets = [node.targets[0].id for node in rest if isinstance(node, ast.Assign)]
        assert len(targets) == len(rest), path
        assert targets == (["__version__", "__all__"] if path.parent == ROOT / "brainseg" else []), path


def test_every_file_of_the_package_is_in_a_room():
    rooms = {*BASE, *ROOMS[1:], "__init__"}
    assert {path.relative_to(ROOT / "brainseg").parts[0].removesuffix(".py") for path in sources("brainseg")} == rooms


@pytest.mark.parametrize("path", sources("brainseg"), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_room_imports_only_from_rooms_before_it(path):
    order = {name: 0 for name in BASE} | {name: index for index, name in enumerate(ROOMS) if index}
    own = path.relative_to(ROOT / "brainseg").parts[0].removesuffix(".py")
    for name in imported_modules(path):
        top, _, rest = name.partition(".")
        assert top not in ("stages", "demo", "benchmarks", "tests"), f"{path} imports {name}"
        if top == "brainseg" and own != "__init__" and (room := rest.split(".")[0]) in order:
            assert order[room] <= order[own], f"{path} imports {name}"


IMPORT_ALL = """
import importlib, os, pathlib, sys

def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system"):
        raise RuntimeError(f"{event} {arguments}")

sys.path.insert(0, sys.argv[1])
sys.addaudithook(watch)
names = sys.argv[2:]
for name in names:
    importlib.import_module(name)
# Each alone, too, lest one lean on what another has imported; the others' packages stay loaded.
for name in names:
    child = os.fork()
    if not child:
        for loaded in [m for m in sys.modules if m.split(".")[0] in ("brainseg", "stages")]:
            del sys.modules[loaded]
        importlib.import_module(name)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, name
"""


def test_nothing_happens_at_import(tmp_path):
    names = [module_name(path) for path in sources("brainseg", "stages")]
    assert {"brainseg", "brainseg.model.training", "stages.train"} < set(names)
    run = subprocess.run(
        [sys.executable, "-B", "-c", IMPORT_ALL, str(ROOT), *names],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": "", "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stage", STAGES)
def test_the_params_a_stage_depends_on_are_what_it_reads(stage):
    module, *arguments = command(stage)
    tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))
    read = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if node.func.id == "load_seed":
            read.add("seed")
        elif node.func.id == "read_sources":  # the page says which of all parameters were changed
            read |= set(PARAMS)
        elif node.func.id == "load_section":
            section = node.args[1]
            # a section chosen on the command line is the first argument of the command
            read.add(section.value if isinstance(section, ast.Constant) else arguments[0])
    listed = DVC["stages"][stage].get("params", [])
    for key in listed:
        lookup(key)
    assert {key.split(".")[0] for key in listed} == read


def test_outputs_are_named_once_and_dependencies_are_made_before_use():
    made = outputs("code")
    for stage in STAGES:
        for name in DVC["stages"][stage]["deps"]:
            within = {name, *map(str, Path(name).parents)}
            assert within & set(made), f"{stage} needs {name}, which nobody makes"
        made += outputs(stage)
    assert len(made) == len(set(made))


def test_what_git_keeps_is_not_in_the_cache():
    for stage, content in DVC["stages"].items():
        for item in (item for kind in ("outs", "metrics", "plots") for item in content.get(kind, [])):
            name, options = next(iter(item.items())) if isinstance(item, dict) else (item, {})
            assert (options.get("cache") is False) == name.startswith(KEPT), (stage, name)
