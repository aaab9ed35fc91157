"""The project's own files that a module needs, derived from its source: what dvc.yaml has to list."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("brainseg", "stages")


def closure(module: str) -> set[str]:
    """Paths, relative to the root, of `module` and all it imports, also inside functions.

    Package files (`__init__.py`) are left out: they hold a docstring, the version and what the package fetches
    when asked for `brainseg.segment`, which no stage does; a new version number is no reason to train again.
    """
    todo, seen = [module], set()
    while todo:
        name = todo.pop()
        path = _file(name)
        if path is None or path in seen or path.name == "__init__.py":
            continue
        seen.add(path)
        todo += _imports(path)
    return {path.relative_to(ROOT).as_posix() for path in seen}


def _file(name: str) -> Path | None:
    base = ROOT.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [name for name in found if name.split(".")[0] in ROOMS]
