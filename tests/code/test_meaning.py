"""What of a piece of code counts as its meaning, and what does not."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages._meaning import free_names, meaning
from stages._reach import Module, Project

ROOT = Path(__file__).resolve().parents[2]
HEAD = """
from typing import TYPE_CHECKING
import typer
from pydantic import Field, field_validator
from brainseg.params import Params
class Wrong(ValueError): pass
"""


def meant(source: str, folder: Path) -> str:
    """The digest of what `f` means in a module of its own."""
    (folder / "brainseg").mkdir(exist_ok=True)
    (folder / "brainseg" / "params.py").write_text("class Params: pass\n")
    (folder / "brainseg" / "one.py").write_text(HEAD + source)
    return Project(folder, ["brainseg"]).piece("brainseg.one", "f").digest


SAME = {
    "comments, docstrings and layout": (
        "def f(x):\n  return x + 1",
        "def f(x):\n  'Adds.'\n\n  return (x  # one\n   + 1)",
    ),
    "annotations": (
        "def f(x, y=2):\n  z = x\n  return z",
        "def f(x: int, y: float = 2) -> int:\n  z: int = x\n  return z",
    ),
    "a declaration without a value": ("def f(x):\n  y = x\n  return y", "def f(x):\n  y: int\n  y = x\n  return y"),
    "the text of the project's own error": (
        "def f(x):\n  if x: raise Wrong('no')",
        "def f(x):\n  if x: raise Wrong(f'never {x!r}, expected {sorted([3])}')",
    ),
    "the text of an error made to be raised elsewhere": (
        "def f(x):\n  return Wrong('no')",
        "def f(x):\n  return Wrong('never')",
    ),
    "the text of Python's own error": ("def f(x):\n  raise KeyError('no')", "def f(x):\n  raise KeyError(x)"),
    "a text put together for an error alone": (
        "def f(x):\n  if x:\n    raise Wrong('no')\n  return x",
        "def f(x):\n  if x:\n    why = f'is {x}' if x else 'is not'\n    raise Wrong(why)\n  return x",
    ),
    "what help says": ("f = typer.Option('--a', help='this')", "f = typer.Option('--a', help='that')"),
    "what is imported for types alone": (
        "def f(x):\n  return x",
        "if TYPE_CHECKING:\n  import numpy\ndef f(x: numpy.ndarray):\n  return x",
    ),
    "the message of an assertion": ("def f(x):\n  assert x", "def f(x):\n  assert x, 'no x'"),
    "a warning that is not shown": (
        "import warnings\ndef f():\n    warnings.filterwarnings('ignore', 'this')\n    g()",
        "import warnings\ndef f():\n    g()",
    ),
    "bounds that pydantic checks": (
        "class f(Params):\n  a: int = Field(default=3, ge=0)",
        "class f(Params):\n  a: int = Field(default=3, ge=1, le=20)",
    ),
    "a validator that only refuses": (
        "class f(Params):\n  a: int = 3",
        "class f(Params):\n  a: int = 3\n  @field_validator('a')\n  @classmethod\n  def g(cls, value):\n"
        "    if value == 7:\n      raise ValueError('not 7')\n    return value",
    ),
}
OTHER = {
    "a number": ("def f(x):\n  return x + 1", "def f(x):\n  return x + 2"),
    "the kind of a number": ("def f(x):\n  return 1", "def f(x):\n  return 1.0"),
    "an operator": ("def f(x):\n  return x < 1", "def f(x):\n  return x <= 1"),
    "a default": ("def f(x=1):\n  return x", "def f(x=2):\n  return x"),
    "the order of statements": ("def f(x):\n  x += 1\n  x *= 2", "def f(x):\n  x *= 2\n  x += 1"),
    "which error is raised": ("def f(x):\n  raise Wrong('no')", "def f(x):\n  raise KeyError('no')"),
    "when an error is raised": ("def f(x):\n  if x > 1: raise Wrong('no')", "def f(x):\n  if x > 2: raise Wrong('no')"),
    "a warning that is raised": (
        "import warnings\ndef f():\n  warnings.filterwarnings('error', 'this')\n  g()",
        "import warnings\ndef f():\n  g()",
    ),
    "an exit status": ("def f(x):\n  raise SystemExit(1)", "def f(x):\n  raise SystemExit(2)"),
    "a text that is returned": ("def f(x):\n  return f'{x}a'", "def f(x):\n  return f'{x}b'"),
    "a text used in an error and beside it": (
        "def f(x):\n  why = 'a'\n  if x: raise Wrong(why)\n  return why",
        "def f(x):\n  why = 'b'\n  if x: raise Wrong(why)\n  return why",
    ),
    "how a number is printed": ("def f(x):\n  return f'{x:.2f}'", "def f(x):\n  return f'{x:.3f}'"),
    "what a name is imported from": (
        "from math import floor as r\ndef f(x):\n  return r(x)",
        "from math import ceil as r\ndef f(x):\n  return r(x)",
    ),
    "a field's default": ("class f(Params):\n  a: int = 3", "class f(Params):\n  a: int = 4"),
    "a field's default in Field": (
        "class f(Params):\n  a: int = Field(default=3)",
        "class f(Params):\n  a: int = Field(default=4)",
    ),
    "a field": ("class f(Params):\n  a: int", "class f(Params):\n  a: int\n  b: int"),
    "a field or a constant of the class": ("class f:\n  a: int = 3", "class f:\n  a = 3"),
    "a validator that changes the value": (
        "class f(Params):\n  @field_validator('a')\n  def g(cls, v):\n    return v + 1",
        "class f(Params):\n  @field_validator('a')\n  def g(cls, v):\n    return v + 2",
    ),
    "a decorator's argument": (
        "import functools\n@functools.lru_cache(1)\ndef f(x):\n  return x",
        "import functools\n@functools.lru_cache(2)\ndef f(x):\n  return x",
    ),
}


@pytest.mark.parametrize("case", SAME)
def test_what_computes_nothing_does_not_count(case: str, tmp_path: Path) -> None:
    assert meant(SAME[case][0], tmp_path) == meant(SAME[case][1], tmp_path)


@pytest.mark.parametrize("case", OTHER)
def test_what_computes_counts(case: str, tmp_path: Path) -> None:
    assert meant(OTHER[case][0], tmp_path) != meant(OTHER[case][1], tmp_path)


@given(
    st.recursive(
        st.one_of(st.integers(), st.text(), st.booleans(), st.none()), lambda inner: st.lists(inner) | st.tuples(inner)
    )
)
def test_constants_have_one_meaning_each(value: object) -> None:
    text = meaning(ast.parse(repr(value)))
    assert text == meaning(ast.parse(f"(\n{value!r}  # the same\n)"))
    assert text != meaning(ast.parse(repr([value])))
    assert text.isascii()


def test_names_of_a_functions_own_are_not_free() -> None:
    source = """
def f(a, *b, c=d, **e):
    with open(a) as g:
        h = [i for i in j if (k := i)]
    for l, (m, n) in b:
        pass
    match a:
        case [o, *p] if q:
            pass
    def r(s):
        return t.u.v(s, h, k)
    try:
        i
    except W as x:
        return x, lambda y: y + z
"""
    found = {".".join(chain) for chain in free_names(ast.parse(source).body[0])}
    assert found == {"d", "open", "j", "q", "t.u.v", "i", "W", "z"}


def test_a_name_bound_in_a_comprehension_alone_is_free_beside_it() -> None:
    node = ast.parse("def f(x):\n  return [g for g in x], g(x)").body[0]
    assert [chain for chain in free_names(node)] == [["g"]]


def test_a_module_is_sorted_into_what_it_defines_imports_and_does() -> None:
    source = "import a.b as c\nfrom d import e as g\nX, Y = 1, 2\nc.register(g)\nif __name__ == '__main__':\n  f()"
    module = Module("m").read(ast.parse(source).body)
    assert (module.imported, list(module.defined)) == ({"c": "a.b", "g": "d.e"}, ["X", "Y"])
    assert [ast.unparse(node) for node in (*module.effects, *module.main)] == ["c.register(g)", "f()"]


SHOW = "import ast, sys; from stages._meaning import meaning; print(meaning(ast.parse(open(sys.argv[1]).read())))"
INTERPRETERS = [
    path
    for minor in (11, 12, 13, 14)
    for path in sorted(Path.home().glob(f".pyenv/versions/3.{minor}*/bin/python"))
    if minor != sys.version_info.minor
]


@pytest.mark.skipif(not INTERPRETERS, reason="there is no other Python here")
@pytest.mark.parametrize("python", INTERPRETERS, ids=lambda path: path.parts[-3])
def test_every_python_reads_the_same_meaning(python: Path, tmp_path: Path) -> None:
    source = tmp_path / "all.py"
    source.write_text(
        "f'{x!r:>{w}}' f'a' 'b' f'{y}'\nf'{x:}'\nasync def g[T](): ...\n".replace("[T]", "")
        + "\n".join(path.read_text() for path in sorted((ROOT / "brainseg").rglob("*.py"))).replace(
            "from __future__ import annotations", ""
        )
    )
    # -S and an own path: nothing but this module and the standard library is needed
    said = {
        str(exe): subprocess.run(
            [str(exe), "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {SHOW}", str(source)],
            capture_output=True, text=True, check=True,
        ).stdout
        for exe in (sys.executable, python)
    }  # fmt: skip
    assert len(set(said.values())) == 1
