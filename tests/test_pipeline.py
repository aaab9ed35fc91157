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

from brainseg.errors import DataError
from brainseg.params import SECTIONS
from stages._closure import Closure, tables
from stages._reach import Project
from stages.code import FOLDERS, code
from tests.pipeline import ROOT, STAGES, command, dvc_yaml, outputs, shipped_params

DVC = dvc_yaml()
PARAMS = shipped_params()
ALL_STAGES = ("code", *STAGES)
BASE = ("errors", "files", "params", "progress", "terminal")
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
# What git keeps of the outputs.
KEPT = ("digests/", "metrics/", "splits/")
MANIFEST = {"brainseg/data/lgg_manifest.csv", "brainseg/data/lgg_patients.csv"}
VENDORED = ("vendor/niivue.umd.js", "vendor/LICENSES.txt", "vendor/README.md")
VIEW = {f"brainseg/view/page/{name}" for name in ("index.html", "app.js", "style.css", *VENDORED)}
REPORT = {"brainseg/defaults.yaml", *(f"brainseg/report/page/report.{kind}" for kind in ("html", "css", "js"))}
TRUST = {"brainseg/trust/sequence.json"}


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


def tracked(stage: str) -> list[str]:
    """The keys of params.yaml that a stage depends on."""
    listed = DVC["stages"][stage].get("params", [])
    return list(PARAMS) if listed == [{"params.yaml": None}] else listed  # as DVC writes "all of the file"


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


@pytest.fixture(scope="module")
def project() -> Project:
    return Project(ROOT, FOLDERS)


def test_code_is_read_from_all_folders_and_written_for_every_stage():
    assert set(DVC["stages"]["code"]["deps"]) == set(FOLDERS)
    assert outputs("code") == [f"digests/{stage}.txt" for stage in STAGES]


def test_code_runs_whenever_any_parameter_has_changed():
    assert tracked("code") == list(PARAMS)


def test_the_digests_outlive_a_mistake():
    assert all(options["persist"] for out in DVC["stages"]["code"]["outs"] for options in out.values())


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_its_own_code_and_on_no_file_of_code(stage):
    deps = DVC["stages"][stage]["deps"]
    assert deps[0] == f"digests/{stage}.txt"
    assert not [name for name in deps[1:] if name.startswith(("digests", *FOLDERS))]


def test_the_stage_code_replaces_digests_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    code(Path("dvc.yaml"), tmp_path)
    code(Path("dvc.yaml"), tmp_path)
    note = tmp_path / "clahe.txt"
    note.write_text("a note of mine\n")
    with pytest.raises(DataError, match=r"clahe\.txt is in the way"):
        code(Path("dvc.yaml"), tmp_path)
    assert note.read_text() == "a note of mine\n"


@pytest.mark.parametrize("stage", STAGES)
def test_the_committed_digests_are_of_this_code(stage, project):
    module, *arguments = command(stage)
    lines = Closure(project, module, arguments, PARAMS).lines()
    assert (ROOT / "digests" / f"{stage}.txt").read_text().splitlines() == lines, "run make relock, or dvc repro"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_reads_and_writes_what_its_command_names(stage):
    """Folders and files in the command are dependencies or outputs, or hold some."""
    listed = [Path(name) for name in (*DVC["stages"][stage]["deps"], *outputs(stage))]
    for word in (word for word in command(stage)[1:] if "/" in word or "." in word):
        assert any(Path(word) in (name, *name.parents) for name in listed), f"{word} is neither read nor written"


def test_no_table_is_chosen_from_by_a_parameter_that_does_not_exist(project):
    for table in tables(project):
        for key in table.by:
            lookup(key)


def digested(stage: str) -> set[str]:
    """Names of the definitions and files in a stage's digest."""
    return {line.split("  ")[1] for line in (ROOT / "digests" / f"{stage}.txt").read_text().splitlines()}


def test_a_training_does_not_depend_on_code_whose_effect_reaches_it_as_data_or_that_is_not_chosen():
    unet, unetpp = digested("train_unet"), digested("train_unetpp")
    stripping = {name for name in unet | unetpp if name.startswith("brainseg.preprocess.skull_strip.")}
    assert stripping == {"brainseg.preprocess.skull_strip.SkullStripParams"}
    assert "brainseg.preprocess.clahe.apply_clahe" not in unet | unetpp
    assert unet - unetpp == {f"brainseg.model.networks.{name}" for name in ("_unet", "PlainUNet", "DoubleConvolution")}
    assert unetpp - unet == {"brainseg.model.networks._unetpp"}
    assert not [name for name in digested("evaluate") if name.startswith("brainseg.model.store")]


def test_manifest_shipped_weights_defaults_and_pages_are_all_that_the_package_reads_beside_its_code():
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "brainseg").rglob("*") if path.is_file()}
    data = {name for name in files if not name.endswith((".py", ".pyc", "py.typed"))}
    assert {name for name in data if not name.startswith("brainseg/weights/")} == MANIFEST | VIEW | REPORT | TRUST
    read = {stage: {name for name in digested(stage) if "/" in name} for stage in STAGES}
    # no stage reads the weights that the package ships: they are made from the pipeline, not in it
    assert {stage: names for stage, names in read.items() if names} == {"download": MANIFEST, "evaluate": REPORT}


def test_no_import_escapes_what_is_followed(project):
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


@pytest.fixture(scope="module")
def lock() -> dict[str, Any]:
    path = ROOT / "dvc.lock"
    if not path.is_file():
        pytest.skip("the pipeline has not been run here: there is no dvc.lock")
    return yaml.safe_load(path.read_text(encoding="utf-8"))["stages"]


def test_the_lock_has_every_stage(lock):
    assert set(lock) == set(ALL_STAGES)


@pytest.mark.parametrize("stage", ALL_STAGES)
def test_the_lock_is_of_this_pipeline_and_these_params(stage, lock):
    if stage not in lock:
        pytest.skip("not run yet")
    locked, content = lock[stage], DVC["stages"][stage]
    assert locked["cmd"] == content["cmd"]
    assert {entry["path"] for entry in locked["deps"]} == set(content["deps"])
    assert {entry["path"] for entry in locked["outs"]} == set(outputs(stage))
    assert locked.get("params", {}).get("params.yaml", {}) == {key: lookup(key) for key in tracked(stage)}


def test_committed_results_are_those_of_the_lock(lock):
    entries = [entry for stage in lock.values() for entry in stage["outs"]]
    committed = [entry for entry in entries if entry["path"].startswith(KEPT)]
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
