"""Which definitions a command runs: followed by name from `python -m MODULE`, through all of the project's modules.

What cannot be told from the text counts whole: a module that does more than define when it is imported, or that is
handed on as a value; and everything, where a name is looked up at run time (`eval`, `import_module`).
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from brainseg.errors import DataError
from stages._meaning import free_names, meaning, stripped, walk

PARAMS_CLASSES = ("brainseg.params.Params", "pydantic.BaseModel")
# Decorators that give back a function or class and note it nowhere.
PURE = ("dataclasses.", "functools.", "contextlib.", "enum.", "typing.", "torch.inference_mode", "torch.no_grad")
DYNAMIC = {"eval", "exec", "globals", "vars", "__import__", "import_module", "run_module", "run_path"}


@dataclass
class Module:
    """One file.

    Attributes:
        name: dotted.
        defined: name -> the statements at the file's top that bind it.
        imported: name -> full name of what it stands for, functions' own imports left out.
        loads: full names of all that importing the file imports.
        effects: statements at the top that do more than bind names.
        main: what `python -m` runs beside them.
    """

    name: str
    defined: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imported: dict[str, str] = field(default_factory=dict)
    loads: list[str] = field(default_factory=list)
    effects: list[ast.stmt] = field(default_factory=list)
    main: list[ast.stmt] = field(default_factory=list)

    def read(self, body: list[ast.stmt]) -> Module:
        """Sort the statements at the top of the file."""
        for statement in body:
            self._sort(statement)
        return self

    def _sort(self, node: ast.stmt) -> None:
        match node:
            case ast.Import() | ast.ImportFrom():
                self._import(node)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self.defined.setdefault(node.name, []).append(node)
                if not self._only_defines(node):
                    self.effects.append(node)
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign() if names := _targets(node):
                for name in names:
                    self.defined.setdefault(name, []).append(node)
            case ast.If() if ast.unparse(node.test) == "TYPE_CHECKING":
                self.read(node.orelse)
            case ast.If() if ast.unparse(node.test) == "__name__ == '__main__'":
                self.main += node.body
            case ast.Pass() | ast.Expr(value=ast.Constant()):
                pass
            case _:
                self.effects.append(node)
                for part in walk(node):
                    if isinstance(part, ast.Import | ast.ImportFrom):
                        self._import(part)
                    elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                        self.defined.setdefault(part.id, []).append(node)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.imported |= _bound_by(node)
        self.loads += _loaded_by(node)
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            self.effects.append(node)

    def _only_defines(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
        if isinstance(node, ast.ClassDef) and (node.keywords or "__init_subclass__" in map(_name_of, node.body)):
            return False
        marks = (part.func if isinstance(part, ast.Call) else part for part in node.decorator_list)
        return all((self.resolve(mark) or "").startswith(PURE) for mark in marks)

    def resolve(self, node: ast.expr, local: Mapping[str, str] | None = None) -> str | None:
        """The full name of what a name or attribute stands for at the top of the file."""
        names = list(free_names(node)) if isinstance(node, ast.Name | ast.Attribute) else []
        return self.full_name(names[0], local or {}) if names and ".".join(names[0]) == ast.unparse(node) else None

    def full_name(self, chain: list[str], local: Mapping[str, str]) -> str | None:
        """`["np", "sum"]` -> `numpy.sum`; None for what Python itself has."""
        root, rest = chain[0], chain[1:]
        if root in local or root in self.imported:
            return ".".join([local.get(root) or self.imported[root], *rest])
        return ".".join([self.name, *chain]) if root in self.defined else None


def _name_of(node: ast.AST) -> str:
    return getattr(node, "name", "")


def _targets(node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> list[str]:
    """The plain names that are assigned; empty where anything else is, or `_`, which is for an effect."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    flat = [part for target in targets for part in (target.elts if isinstance(target, ast.Tuple) else [target])]
    names = [part.id for part in flat if isinstance(part, ast.Name) and part.id != "_"]
    return names if len(names) == len(flat) else []


def _bound_by(node: ast.AST) -> dict[str, str]:
    if isinstance(node, ast.ImportFrom) and not node.level:
        return {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    if isinstance(node, ast.Import):
        tops = {a.name.split(".")[0]: a.name.split(".")[0] for a in node.names if not a.asname}
        return tops | {a.asname: a.name for a in node.names if a.asname}
    return {}


def _loaded_by(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


@dataclass(frozen=True)
class Piece:
    """One definition, or a whole module: its meaning as a digest, and the full names and texts in it."""

    digest: str
    names: frozenset[str]
    loads: tuple[str, ...]
    texts: frozenset[str]
    dynamic: bool


class Project:
    """The Python files of some folders, read once.

    Args:
        root: the checkout.
        folders: packages in it.

    Raises:
        DataError: a file is not Python.
    """

    def __init__(self, root: Path, folders: Sequence[str]):
        self.root = root
        self.modules: dict[str, Module] = {}
        self.data = [
            path
            for folder in folders
            for path in sorted((root / folder).rglob("*"))
            if path.is_file() and path.suffix not in (".py", ".pyc")
        ]
        for path in (path for folder in folders for path in sorted((root / folder).rglob("*.py"))):
            parts = path.relative_to(root).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            try:
                tree = ast.parse(path.read_bytes())
            except SyntaxError as error:
                raise DataError(f"{path}, line {error.lineno} is not Python ({error.msg}); correct it.") from None
            self.modules[name] = Module(name).read(tree.body)

    def locate(self, full: str) -> tuple[Module, str] | None:
        """The module of a full name and the name at its top, "" for the module itself; None outside of the project."""
        parts = full.split(".")
        for cut in range(len(parts), 0, -1):
            module = self.modules.get(".".join(parts[:cut]))
            if module is None:
                continue
            if cut == len(parts):
                return module, ""
            name = parts[cut]
            if name in module.defined:
                return module, name
            if name in module.imported:  # handed on from elsewhere
                target = ".".join([module.imported[name], *parts[cut + 1 :]])
                return self.locate(target) if target != full else (module, "")
            return module, "__getattr__" if "__getattr__" in module.defined else ""
        return None

    @functools.cache  # noqa: B019  (a project lives as long as the command)
    def is_error(self, full: str) -> bool:
        """Whether a full name is of an exception that the project defines."""
        return any(base in _BUILTIN_ERRORS for base in self._bases(full))

    @functools.cache  # noqa: B019
    def is_params(self, full: str) -> bool:
        """Whether a full name is of a class that pydantic fills."""
        return any(base in PARAMS_CLASSES for base in [full, *self._bases(full)])

    def _bases(self, full: str) -> Iterator[str]:
        found = self.locate(full)
        for node in found[0].defined.get(found[1], []) if found else []:
            if found and isinstance(node, ast.ClassDef):
                for base in node.bases:
                    name = found[0].resolve(base) or ast.unparse(base)
                    yield name
                    if name != full:
                        yield from self._bases(name)

    @functools.cache  # noqa: B019
    def piece(self, module: str, name: str, taken: frozenset[str] | None = None) -> Piece:
        """A definition, or with an empty name the whole module; of a table of choices the entries `taken`."""
        owner = self.modules[module]
        if name:
            statements = owner.defined[name]
        else:
            once = {id(node): node for nodes in owner.defined.values() for node in nodes}
            statements = [*(once | {id(node): node for node in owner.effects}).values()]
        if taken is not None:
            statements = [_with_entries(statements[0], taken)]
        return self._piece(owner, statements)

    def command(self, module: str) -> Piece:
        """What `python -m` runs of a module, and the classes that its function's annotations name: typer fills them."""
        owner = self.modules[module]
        found = self._piece(owner, owner.main)
        functions = [
            node
            for name in found.names
            for node in owner.defined.get(name.removeprefix(f"{module}."), [])
            if isinstance(node, ast.FunctionDef)
        ]
        arguments = (argument for node in functions for argument in [*node.args.args, *node.args.kwonlyargs])
        made = {full for a in arguments if a.annotation for full in self.classes(owner, a.annotation)}
        return dataclasses.replace(found, names=found.names | made)

    def _piece(self, owner: Module, statements: list[ast.stmt]) -> Piece:
        local = {k: v for s in statements for node in walk(s) for k, v in _bound_by(node).items()}
        clean = [
            part for s in statements for part in stripped(s, lambda node: owner.resolve(node, local), self.is_error)
        ]
        chains = [chain for node in clean for chain in free_names(node)]
        resolved = {chain[0]: owner.full_name(chain[:1], local) for chain in chains}
        names = {name for chain in chains if (name := owner.full_name(chain, local))}
        loads = tuple(full for node in clean for part in walk(node) for full in _loaded_by(part))
        for node in statements:
            if isinstance(node, ast.ClassDef) and self.is_params(f"{owner.name}.{node.name}"):
                names |= {full for part in node.body for full in self._filled(owner, part)}
        means = [*map(meaning, clean), *(f"{root} is {full}" for root, full in sorted(resolved.items()) if full)]
        constants = (part.value for node in clean for part in walk(node) if isinstance(part, ast.Constant))
        return Piece(
            digest("\n".join(means).encode()),
            frozenset(names | set(loads) | ({"__file__"} & set(resolved))),
            loads,
            frozenset(value for value in constants if isinstance(value, str)),
            any(name.split(".")[-1] in DYNAMIC for name in names | set(resolved)),
        )

    def _filled(self, owner: Module, node: ast.AST) -> Iterator[str]:
        """Classes in the annotation of a field: pydantic makes objects of them."""
        if isinstance(node, ast.AnnAssign):
            yield from self.classes(owner, node.annotation)

    def classes(self, owner: Module, annotation: ast.expr) -> Iterator[str]:
        """Full names of the project's classes that an annotation names, also by way of a name for a type."""
        for chain in free_names(annotation):
            found = self.locate(owner.full_name(chain, {}) or "")
            for node in found[0].defined.get(found[1], []) if found else []:
                if found and isinstance(node, ast.ClassDef):
                    yield f"{found[0].name}.{found[1]}"
                elif found and isinstance(node, ast.Assign):
                    yield from self.classes(found[0], node.value)


_BUILTIN_ERRORS = {"Exception", "BaseException", "ValueError", "RuntimeError", "OSError", "TypeError", "LookupError"}


def _with_entries(node: ast.stmt, taken: Collection[str]) -> ast.stmt:
    """The assignment of a table with only some of its entries, and without what says how they are chosen."""
    assert isinstance(node, ast.Assign | ast.AnnAssign)
    assert isinstance(node.value, ast.Call)
    table = node.value.args[0]
    assert isinstance(table, ast.Dict)
    pairs = [(k, v) for k, v in zip(table.keys, table.values, strict=True) if isinstance(k, ast.Constant)]
    kept = [(key, value) for key, value in pairs if key.value in taken]
    call = ast.Call(node.value.func, [ast.Dict([k for k, _ in kept], [v for _, v in kept])], [])
    return ast.Assign(node.targets if isinstance(node, ast.Assign) else [node.target], call)


def digest(content: bytes) -> str:
    """Short, for people to compare; nobody makes two alike by chance."""
    return hashlib.sha256(content).hexdigest()[:16]
