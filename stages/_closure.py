"""All that one command runs, as lines of digest and name."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brainseg.errors import DataError
from stages._reach import Module, Piece, Project, digest

CHOICES = "brainseg.params.Choices"
# A new version number is no reason to train again.
NOT_COUNTED = {"__version__"}
RESOURCES = ("importlib.resources", "__file__")


@dataclass(frozen=True)
class Table:
    """A table of choices: the names of its entries, and the keys of params.yaml that choose (none: the command)."""

    entries: frozenset[str]
    by: tuple[str, ...]


def table_of(module: Module, name: str) -> Table | None:
    """The table that a name at the top of a module is, if it is one.

    Raises:
        DataError: its entries cannot be read without running it.
    """
    (node, *more) = module.defined[name]
    if not isinstance(node, ast.Assign | ast.AnnAssign) or not isinstance(node.value, ast.Call):
        return None
    if module.resolve(node.value.func) != CHOICES:
        return None
    try:
        if more or not isinstance(node.value.args[0], ast.Dict):
            raise ValueError
        keys = [ast.literal_eval(key) for key in node.value.args[0].keys if key is not None]
        if len(keys) != len(node.value.args[0].keys):
            raise ValueError
        by: Any = next((ast.literal_eval(k.value) for k in node.value.keywords if k.arg == "by"), ())
    except (ValueError, IndexError):
        raise DataError(
            f"{module.name}.{name} is a table of choices that has to be run to be read; write it as "
            "Choices({'name': entry, ...}, by=('section.key', ...))."
        ) from None
    return Table(frozenset(keys), tuple(by))


def tables(project: Project) -> Iterator[Table]:
    """All tables of choices."""
    for module in project.modules.values():
        yield from filter(None, (table_of(module, name) for name in module.defined))


class Closure:
    """What `python -m MODULE ARGUMENTS` runs.

    Args:
        project: all modules.
        module: of the command.
        arguments: its words; they choose from tables that no parameter chooses from.
        params: content of params.yaml, which chooses from the others.
    """

    def __init__(self, project: Project, module: str, arguments: Sequence[str], params: Mapping[str, Any]):
        self.project, self.arguments, self.params = project, arguments, params
        self.pieces: dict[tuple[str, str], Piece] = {}
        self._loaded: set[str] = set()
        self._todo: list[str] = []
        self._load(module)
        main = project.command(module)
        self.pieces[module, "__main__"] = main
        self._follow(main)
        while self._todo:
            self._reach(self._todo.pop())

    def lines(self) -> list[str]:
        """`DIGEST  NAME` for every definition and every data file, sorted by name."""
        found = {".".join(filter(None, key)): piece.digest for key, piece in self.pieces.items()}
        found |= {
            path.relative_to(self.project.root).as_posix(): digest(path.read_bytes()) for path in self._data_files()
        }
        return [f"{found[name]}  {name}" for name in sorted(found)]

    def _reach(self, full: str) -> None:
        located = self.project.locate(full)
        if located is None:
            return
        module, name = located
        if name in NOT_COUNTED or (module.name, name) in self.pieces:
            return
        table = table_of(module, name) if name else None
        taken = self._taken(table.entries, table.by) if table else None
        piece = self.project.piece(module.name, name, taken)
        self.pieces[module.name, name] = piece
        self._load(module.name)
        self._follow(piece)

    def _follow(self, piece: Piece) -> None:
        self._todo += sorted(piece.names)
        for full in piece.loads:
            self._load(full)
        if piece.dynamic:
            self._todo += sorted(self.project.modules)

    def _load(self, full: str) -> None:
        """Import a module and its packages; what does more than define counts whole."""
        parts = full.split(".")
        for name in (".".join(parts[:cut]) for cut in range(1, len(parts) + 1)):
            module = self.project.modules.get(name)
            if module is None or name in self._loaded:
                continue
            self._loaded.add(name)
            if module.effects:
                self._todo.append(name)
            for other in module.loads:
                self._load(other)

    def _taken(self, entries: frozenset[str], by: Sequence[str]) -> frozenset[str]:
        """The entries that the parameters, or else the command's words, choose; all where neither says."""
        if by:
            return entries & {str(_lookup(self.params, key)) for key in by}
        return (entries & set(self.arguments)) or entries

    def _data_files(self) -> list[Path]:
        """Files beside the code that the reached definitions name; all of them where a folder is handed on."""
        found = []
        for owner in {module for module, _ in self.pieces}:
            own = [piece for (module, _), piece in self.pieces.items() if module == owner]
            if not any(name.startswith(RESOURCES) for piece in own for name in piece.names):
                continue
            texts = {text for piece in own for text in piece.texts}
            named = [path for path in self.project.data if path.name in texts]
            found += named or self.project.data
        return found


def _lookup(params: Mapping[str, Any], key: str) -> Any:
    content: Any = params
    for part in key.split("."):
        content = content.get(part) if isinstance(content, Mapping) else None
    return content
