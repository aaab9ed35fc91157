"""dvc.yaml, params.yaml, dvc.lock, README and the code: each says what the others do."""

from __future__ import annotations

import ast
import hashlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from brainseg.params import SECTIONS
from tests.import_closure import closure
from tests.pipeline import ROOT, STAGES, command, dvc_yaml, outputs, shipped_params

DVC = dvc_yaml()
PARAMS = shipped_params()
BASE = ("errors", "files", "params", "progress", "terminal")
ROOMS = (
    BASE,
    "data",
    "scans",
    "preprocess",
    "evaluation",
    "model",
    "inference",
    "radiogenomics",
    "report",
    "view",
    "cli",
)
LATE = [
    "from __future__ import annotations",
    "from typing import TYPE_CHECKING, Any",
    "if TYPE_CHECKING:",
    "def __getattr__(name: str) -> Any:",
]
MANIFEST = {"brainseg/data/lgg_manifest.csv", "brainseg/data/lgg_patients.csv"}
VENDORED = ("vendor/niivue.umd.js", "vendor/LICENSES.txt", "vendor/README.md")
VIEW = {f"brainseg/view/page/{name}" for name in ("index.html", "app.js", "style.css", *VENDORED)}
REPORT = {"brainseg/defaults.yaml", *(f"brainseg/report/page/report.{kind}" for kind in ("html", "css", "js"))}


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


def lookup(key: str) -> Any:
    content: Any = PARAMS
    for part in key.split("."):
        content = content[part]
    return content


def test_the_nine_stages_and_the_one_that_follows_them():
    nine = tuple(stage for stage in STAGES if stage != "radiogenomics")
    assert tuple(DVC["stages"]) == (*nine, "radiogenomics")


def test_each_stage_runs_after_those_whose_outputs_it_reads():
    made_by = {name: stage for stage in STAGES for name in outputs(stage)}
    for stage in STAGES:
        needed = {made_by[name] for name in DVC["stages"][stage]["deps"] if name in made_by}
        assert needed <= set(STAGES[: STAGES.index(stage)]), stage


@pytest.mark.parametrize("stage", STAGES)
def test_the_code_a_stage_depends_on_is_what_it_imports(stage):
    listed = {name for name in DVC["stages"][stage]["deps"] if name.startswith(("brainseg/", "stages/"))}
    needed = closure(command(stage)[0])
    if "brainseg/data/manifest.py" in needed:
        needed |= MANIFEST
    if "brainseg/report/page.py" in needed:
        needed |= REPORT
    assert listed - needed == set(), "superfluous in dvc.yaml"
    assert needed - listed == set(), "missing in dvc.yaml"


def test_manifest_shipped_weights_defaults_and_pages_are_all_that_the_package_reads_beside_its_code():
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "brainseg").rglob("*") if path.is_file()}
    data = {name for name in files if not name.endswith((".py", ".pyc", "py.typed"))}
    assert {name for name in data if not name.startswith("brainseg/weights/")} == MANIFEST | VIEW | REPORT
    assert set(DVC["stages"]["download"]["deps"]) > MANIFEST
    # no stage reads the weights that the package ships: they are made from the pipeline, not in it
    assert not any("weights/" in dep or "shipped" in dep for stage in DVC["stages"].values() for dep in stage["deps"])


def test_no_import_escapes_the_closure():
    for path in sources("brainseg", "stages"):
        text = path.read_text(encoding="utf-8")
        relative = [n.lineno for n in ast.walk(ast.parse(text)) if isinstance(n, ast.ImportFrom) and n.level]
        assert not relative, f"{path}: relative import in line {relative[0]}"
        assert not re.search(r"__import__|import_module|spec_from_file|runpy", text), path


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


def test_params_have_the_sections_of_the_package():
    assert tuple(PARAMS) == SECTIONS


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
            read |= set(SECTIONS)
        elif node.func.id == "load_section":
            section = node.args[1]
            # a section chosen on the command line is the first argument of the command
            read.add(section.value if isinstance(section, ast.Constant) else arguments[0])
    listed = DVC["stages"][stage].get("params", [])
    for key in listed:
        lookup(key)
    assert {key.split(".")[0] for key in listed} == read


def test_outputs_are_named_once_and_dependencies_are_made_before_use():
    made: list[str] = []
    for stage in STAGES:
        for name in DVC["stages"][stage]["deps"]:
            within = {name, *map(str, Path(name).parents)}
            assert within & set(made) or (ROOT / name).is_file(), f"{stage} needs {name}, which nobody makes"
        made += outputs(stage)
    assert len(made) == len(set(made))


def test_what_git_keeps_is_not_in_the_cache():
    for stage, content in DVC["stages"].items():
        for item in (item for kind in ("outs", "metrics", "plots") for item in content.get(kind, [])):
            name, options = next(iter(item.items())) if isinstance(item, dict) else (item, {})
            assert (options.get("cache") is False) == name.startswith(("metrics/", "splits/")), (stage, name)


@pytest.fixture(scope="module")
def lock() -> dict[str, Any]:
    path = ROOT / "dvc.lock"
    if not path.is_file():
        pytest.skip("the pipeline has not been run here: there is no dvc.lock")
    return yaml.safe_load(path.read_text(encoding="utf-8"))["stages"]


def test_the_lock_has_every_stage(lock):
    assert set(lock) == set(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_the_lock_is_of_this_pipeline_and_these_params(stage, lock):
    if stage not in lock:
        pytest.skip("not run yet")
    locked, content = lock[stage], DVC["stages"][stage]
    assert locked["cmd"] == content["cmd"]
    assert {entry["path"] for entry in locked["deps"]} == set(content["deps"])
    assert {entry["path"] for entry in locked["outs"]} == set(outputs(stage))
    assert locked.get("params", {}).get("params.yaml", {}) == {key: lookup(key) for key in content.get("params", [])}


def test_committed_results_are_those_of_the_lock(lock):
    entries = [entry for stage in lock.values() for entry in stage["outs"]]
    committed = [entry for entry in entries if entry["path"].startswith(("metrics/", "splits/"))]
    assert committed
    for entry in committed:
        found = hashlib.md5((ROOT / entry["path"]).read_bytes()).hexdigest()
        assert found == entry["md5"], f"{entry['path']} is not what dvc.lock says; run dvc repro"


def test_readme_has_the_table_of_parameters():
    readme = ROOT / "README.md"
    if not readme.is_file():
        pytest.skip("there is no README.md yet")
    rows = re.findall(r"^\| `([a-z_.]+)` \| `([^`]*)` \|", readme.read_text(encoding="utf-8"), re.MULTILINE)
    table = {key: yaml.safe_load(default) for key, default in rows}
    assert table == dotted(PARAMS)
