"""Which definitions a command reaches, on little packages made for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from brainseg.errors import DataError
from stages._closure import Closure
from stages._reach import Project

COMMAND = "from brainseg.a import used\ndef go(): return used()\nif __name__ == '__main__':\n  go()\n"
PARAMS = "class Params: pass\nclass Choices(dict): pass\n"
TABLE = """
from brainseg.params import Choices
def one(): return 1
def two(): return 2
TABLE = Choices({"one": one, "two": two}, by=("section.name",))
def used(): return TABLE["one"]()
"""


def reached(folder: Path, files: dict[str, str], *arguments: str, **params: Any) -> dict[str, str]:
    """Name -> digest of what `python -m stages.go` reaches; `brainseg/` has `files`."""
    for name, text in {"../stages/go.py": COMMAND, "params.py": PARAMS, "__init__.py": "", **files}.items():
        path = folder / "brainseg" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.resolve().parent.mkdir(parents=True, exist_ok=True)
        path.resolve().write_text(text)
    closure = Closure(Project(folder, ["brainseg", "stages"]), "stages.go", arguments, params)
    return {name: digest for digest, name in (line.split("  ") for line in closure.lines())}


def names(folder: Path, files: dict[str, str], *arguments: str, **params: Any) -> set[str]:
    """The names alone, without `brainseg.` and the command's own."""
    found = reached(folder, files, *arguments, **params)
    assert {"stages.go.__main__", "stages.go.go"} <= found.keys()
    return {name.removeprefix("brainseg.") for name in found if not name.startswith("stages.")}


def test_only_what_is_named_is_reached(tmp_path: Path) -> None:
    files = {
        "a.py": "from brainseg.b import C\nimport brainseg.b\nN = 1\nM = 2\n"
        "def used(): return helper(N)\ndef helper(x): return C().m()\ndef beside(): return M",
        "b.py": "D = 1\nclass C:\n  def m(self): return brainseg_free(D)\n  def other(self): return E\n"
        "E = 2\nF = 3\ndef brainseg_free(x): return x\n",
    }
    assert names(tmp_path, files) == {"a.used", "a.helper", "a.N", "b.C", "b.D", "b.E", "b.brainseg_free"}


@pytest.mark.parametrize(
    "body",
    [
        "from brainseg.b import f\ndef used(): return f()",
        "from brainseg.b import f as g\ndef used(): return g()",
        "from brainseg import b\ndef used(): return b.f()",
        "import brainseg.b\ndef used(): return brainseg.b.f()",
        "import brainseg.b as c\ndef used(): return c.f()",
        "def used():\n  from brainseg.b import f\n  return f()",
        "from brainseg.c import f\ndef used(): return f()",
        "from brainseg.b import f\ndef used(): return [f for _ in range(3)]",
        "from brainseg.b import f\ndef used(x=f): return x()",
        "from brainseg.b import f\n@f\ndef used(): pass",
        "from brainseg.b import f\nused = f",
    ],
)
def test_every_way_to_name_a_function_reaches_it_alone(body: str, tmp_path: Path) -> None:
    files = {"a.py": body, "b.py": "def f(): pass\ndef beside(): pass", "c.py": "from brainseg.b import f"}
    assert {name for name in names(tmp_path, files) if name.startswith("b")} == {"b.f"}


@pytest.mark.parametrize(
    "body",
    [
        "from brainseg import b\ndef used(): return b",
        "from brainseg import b\ndef used(): return getattr(b, 'beside')",
        "from brainseg.b import *\ndef used(): return f()",
        "from brainseg import b\ndef used(): return b.made_at_run_time",
    ],
)
def test_a_module_that_is_handed_on_counts_whole(body: str, tmp_path: Path) -> None:
    assert "b" in names(tmp_path, {"a.py": body, "b.py": "def f(): pass\ndef beside(): pass"})


@pytest.mark.parametrize(
    "effect",
    [
        "register(beside)",
        "REGISTRY['f'] = beside",
        "_ = register(beside)",
        "for name in ['f']: register(name)",
        "try:\n  import x\nexcept ImportError:\n  x = None",
        "@register\ndef unseen(): pass",
        "class Base:\n  def __init_subclass__(cls): register(cls)",
        "class Made(metaclass=register): pass",
    ],
)
def test_a_module_that_does_something_when_imported_counts_whole(effect: str, tmp_path: Path) -> None:
    b = f"REGISTRY = {{}}\ndef register(x): REGISTRY[x] = x\ndef f(): pass\ndef beside(): pass\n{effect}\n"
    files = {"a.py": "from brainseg.b import f\ndef used(): return 1", "b.py": b}
    before = reached(tmp_path, files)
    assert "brainseg.b" in before
    after = reached(tmp_path, files | {"b.py": b.replace("def beside(): pass", "def beside(): return 2")})
    assert after["brainseg.b"] != before["brainseg.b"]


def test_everything_counts_where_names_are_looked_up_at_run_time(tmp_path: Path) -> None:
    files = {"a.py": "def used(): return eval('1')", "b.py": "def beside(): pass"}
    assert {"a", "b"} <= names(tmp_path, files)


def test_a_table_counts_with_the_entries_that_the_parameters_choose(tmp_path: Path) -> None:
    files = {"a.py": TABLE}
    first = reached(tmp_path, files, section={"name": "one"})
    assert "brainseg.a.one" in first
    assert "brainseg.a.two" not in first
    more = TABLE.replace('"two": two', '"two": two, "three": three') + "def three(): return 3\n"
    assert reached(tmp_path, {"a.py": more}, section={"name": "one"}) == first
    assert "a.two" in names(tmp_path, files, section={"name": "two"})
    other = TABLE.replace('"one": one', '"one": two')
    assert reached(tmp_path, {"a.py": other}, section={"name": "one"})["brainseg.a.TABLE"] != first["brainseg.a.TABLE"]


def test_a_table_without_parameters_counts_with_what_the_command_names_or_else_whole(tmp_path: Path) -> None:
    files = {"a.py": TABLE.replace(', by=("section.name",)', "")}
    assert {"a.one", "a.two"} <= names(tmp_path, files)
    assert {"a.one", "a.two"} & names(tmp_path, files, "two", "data") == {"a.two"}


@pytest.mark.parametrize("table", ["Choices(made())", "Choices({**made()})", "Choices({made(): one})", "Choices()"])
def test_a_table_that_has_to_be_run_is_refused(table: str, tmp_path: Path) -> None:
    text = f"from brainseg.params import Choices\ndef one(): pass\nTABLE = {table}\ndef used(): return TABLE"
    with pytest.raises(DataError, match=r"brainseg\.a\.TABLE is a table of choices that has to be run"):
        reached(tmp_path, {"a.py": text})


def test_classes_that_pydantic_fills_are_reached_by_their_fields(tmp_path: Path) -> None:
    text = """
from brainseg.params import Params
class Inner(Params):
  x: int = 1
Alias = dict[str, Inner]
class Outer(Params):
  inner: Alias
class Record:
  other: Beside
class Beside(Params): pass
def used(): return Outer(), Record()
"""
    assert names(tmp_path, {"a.py": text}) == {"a.used", "a.Outer", "a.Inner", "a.Record", "params.Params"}


def test_files_that_the_code_reads_count_by_their_bytes(tmp_path: Path) -> None:
    text = "from importlib.resources import files\ndef used(): return files('brainseg') / 'table.csv'"
    files = {"a.py": text, "table.csv": "1", "beside.csv": "1"}
    first = reached(tmp_path, files)
    assert {name for name in first if name.endswith("csv")} == {"brainseg/table.csv"}
    assert reached(tmp_path, files | {"table.csv": "2"})["brainseg/table.csv"] != first["brainseg/table.csv"]
    whole = reached(tmp_path, files | {"a.py": text.replace("'table.csv'", "__name__")})
    assert {name for name in whole if name.endswith("csv")} == {"brainseg/table.csv", "brainseg/beside.csv"}


def test_a_file_that_is_not_python_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.py, line 2 is not Python"):
        reached(tmp_path, {"a.py": "x = 1\ndef :"})
