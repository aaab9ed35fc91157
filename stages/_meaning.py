"""What Python code means, as text: the same for two spellings that compute the same, on every Python from 3.11 on.

Left out are comments, docstrings, annotations, what errors say, what help says, warnings that are not shown, and what
pydantic only checks.
"""

from __future__ import annotations

import ast
import builtins
import json
import pickle
from collections.abc import Callable, Iterator
from typing import Any

Resolve = Callable[[ast.expr], str | None]
"""The full dotted name of what a name or an attribute stands for; None where it is local or unknown."""

VALIDATORS = ("pydantic.field_validator", "pydantic.model_validator")
# What `pydantic.Field` only holds a value against.
CHECKS = {"ge", "gt", "le", "lt", "min_length", "max_length", "pattern", "multiple_of", "description"}
# Fields of a syntax tree that say nothing, or that only some versions of Python have.
SILENT = {"ctx", "kind", "type_comment", "type_ignores", "type_params"}
# Errors whose argument is more than text.
TELLING = {"SystemExit", "StopIteration"}


def meaning(node: ast.AST) -> str:
    """A syntax tree as text, without positions; the same for one tree on every Python version."""
    return _text(node)


def _text(value: Any) -> str:
    if isinstance(value, ast.JoinedStr):
        return f"(JoinedStr {' '.join(map(_text, _joined(value)))})"
    if isinstance(value, ast.AST):
        fields = ((name, child) for name, child in ast.iter_fields(value) if name not in SILENT)
        said = [f"{name}={_text(child)}" for name, child in fields if child is not None and child != []]
        return f"({' '.join([type(value).__name__, *said])})"
    if isinstance(value, list):
        return f"[{' '.join(map(_text, value))}]"
    if isinstance(value, str):
        return json.dumps(value)  # repr would depend on which characters this Python's Unicode can print
    return f"{type(value).__name__}:{value!r}"


def walk(node: ast.AST) -> list[ast.AST]:
    """What `ast.walk` gives, in its order but for contexts (`Load`, `Store`), in a third of its time."""
    found = [node]
    for each in found:
        found += _children(each)
    return found


def _children(node: ast.AST) -> list[ast.AST]:
    found: list[ast.AST] = []
    for name in node._fields:
        value = getattr(node, name, None) if name != "ctx" else None
        if isinstance(value, list):
            found += [part for part in value if isinstance(part, ast.AST)]
        elif isinstance(value, ast.AST):
            found.append(value)
    return found


def _joined(node: ast.JoinedStr) -> list[ast.expr]:
    """The parts of an f-string, adjacent texts as one and empty ones left out: versions cut them differently."""
    parts: list[ast.expr] = []
    for part in node.values:
        if isinstance(part, ast.Constant) and parts and isinstance(parts[-1], ast.Constant):
            parts[-1] = ast.Constant(str(parts[-1].value) + str(part.value))
        elif not (isinstance(part, ast.Constant) and part.value == ""):
            parts.append(part)
    return parts


def stripped(statement: ast.stmt, resolve: Resolve, is_error: Callable[[str], bool]) -> list[ast.stmt]:
    """A copy of a statement without what computes nothing: none, one or (of an `if TYPE_CHECKING`) several statements.

    Args:
        statement: of a module.
        resolve: names of that module.
        is_error: whether a full name is of one of the project's own errors, whose arguments are all text.
    """
    # twice as fast as copy.deepcopy
    found = _Stripper(resolve, is_error).visit(pickle.loads(pickle.dumps(statement)))
    return found if isinstance(found, list) else [found] if found is not None else []


class _Stripper(ast.NodeTransformer):
    def __init__(self, resolve: Resolve, is_error: Callable[[str], bool]):
        self.resolve, self.is_error = resolve, is_error

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AsyncFunctionDef:
        return self._function(node)

    def _function(self, node: Any) -> Any:
        read = _read(node)
        node.returns = None
        self.generic_visit(node)
        _MessageParts(read - _read(node)).visit(node)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        node.body = [part for part in node.body if not self._only_checks(part)]
        self.generic_visit(node)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AnnAssign:
        node.annotation = None  # type: ignore[assignment]
        self.generic_visit(node)
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        if isinstance(node.value, ast.Constant):
            return None  # a docstring, or the line below a constant that explains it
        if isinstance(node.value, ast.Call) and self._only_hushes(node.value):
            return None
        self.generic_visit(node)
        return node

    def visit_Pass(self, node: ast.Pass) -> None:
        return None

    def visit_If(self, node: ast.If) -> Any:
        if self.resolve(node.test) == "typing.TYPE_CHECKING":
            kept = [self.visit(part) for part in node.orelse]
            return [part for part in kept if part is not None]
        self.generic_visit(node)
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom | None:
        return None if node.module == "__future__" else node

    def visit_Assert(self, node: ast.Assert) -> ast.Assert:
        node.msg = None
        self.generic_visit(node)
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.Raise:
        if isinstance(node.exc, ast.Call):
            name = node.exc.func.id if isinstance(node.exc.func, ast.Name) else ""
            kind = getattr(builtins, name, None)
            if name not in TELLING and isinstance(kind, type) and issubclass(kind, BaseException):
                node.exc = node.exc.func
            else:
                node.exc.args = [argument for argument in node.exc.args if not _is_text(argument)]
        self.generic_visit(node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.Call:
        name = self.resolve(node.func) or ""
        if self.is_error(name):
            node.args, node.keywords = [], []
        dropped = {"help"} if name.startswith("typer.") else CHECKS if name == "pydantic.Field" else set()
        node.keywords = [keyword for keyword in node.keywords if keyword.arg not in dropped]
        self.generic_visit(node)
        return node

    def _only_hushes(self, node: ast.Call) -> bool:
        """A warning that is no longer shown: it computes nothing."""
        action = node.args[0] if node.args else None
        ignored = isinstance(action, ast.Constant) and action.value == "ignore"
        return ignored and self.resolve(node.func) == "warnings.filterwarnings"

    def _only_checks(self, node: ast.stmt) -> bool:
        """A pydantic validator that raises or hands on what it was given: it computes nothing."""
        if not isinstance(node, ast.FunctionDef):
            return False
        calls = [part.func for part in node.decorator_list if isinstance(part, ast.Call)]
        if not any(self.resolve(function) in VALIDATORS for function in calls):
            return False
        rest = [part for part in node.body if not _is_guard(part) and not _is_docstring(part)]
        return len(rest) == 1 and isinstance(rest[0], ast.Return) and isinstance(rest[0].value, ast.Name)


class _MessageParts(ast.NodeTransformer):
    """Takes out the texts that were put together for an error's message alone, and annotations of nested blocks."""

    def __init__(self, names: set[str]):
        self.names = names

    def visit_Assign(self, node: ast.Assign) -> ast.Assign | None:
        only = len(node.targets) == 1 and isinstance(node.targets[0], ast.Name) and node.targets[0].id in self.names
        return None if only and _is_text(node.value) else node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        return ast.Assign([node.target], node.value) if node.value else None

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        return node  # the annotated names of a class are its fields


def _is_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and not node.orelse and all(isinstance(part, ast.Raise) for part in node.body)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _read(node: ast.AST) -> set[str]:
    return {part.id for part in walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)}


def _is_text(node: ast.expr) -> bool:
    """Whether an expression can be nothing but a text."""
    match node:
        case ast.Constant():
            return isinstance(node.value, str)
        case ast.JoinedStr():
            return True
        case ast.IfExp():
            return _is_text(node.body) and _is_text(node.orelse)
        case ast.BinOp(op=ast.Add()):
            return _is_text(node.left) or _is_text(node.right)
        case ast.Subscript():
            return _is_text(node.value)
        case ast.Call(func=ast.Attribute(value=text, attr="join" | "format")):
            return _is_text(text)
    return False


def free_names(node: ast.AST, bound: frozenset[str] = frozenset()) -> Iterator[list[str]]:
    """Names that a syntax tree takes from its module or from Python, each with the attributes asked of it.

    `np.linalg.norm` comes as ["np", "linalg", "norm"]. Names that a function binds are its own.
    """
    if isinstance(node, ast.Attribute | ast.Name):
        chain, root = _chain(node)
        if isinstance(root, ast.Name):
            if root.id not in bound and isinstance(root.ctx, ast.Load):
                yield [root.id, *chain]
            return
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        outside = [*node.args.defaults, *node.args.kw_defaults, *getattr(node, "decorator_list", [])]
        inside: list[Any] = node.body if isinstance(node.body, list) else [node.body]
        for part in (part for part in outside if part is not None):
            yield from free_names(part, bound)
        own = bound | _locals(node.args, inside)
        for part in inside:
            yield from free_names(part, own)
    elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
        yield from free_names(node.generators[0].iter, bound)
        targets = {name for part in node.generators for name in _stored(part.target)}
        for part in _children(node):
            if isinstance(part, ast.comprehension):
                later = part is not node.generators[0]
                for child in [*([part.iter] if later else []), *part.ifs, part.target]:
                    yield from free_names(child, bound | targets)
            else:
                yield from free_names(part, bound | targets)
    else:
        for part in _children(node):
            yield from free_names(part, bound)


def _chain(node: ast.expr) -> tuple[list[str], ast.expr]:
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    return names, node


def _locals(arguments: ast.arguments, body: list[ast.AST]) -> set[str]:
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    names = {argument.arg for argument in every if argument}
    return names | {name for part in body for name in _stored(part)} - _declared_outer(body)


def _stored(node: ast.AST) -> Iterator[str]:
    """Names that a statement binds in its own scope, but for imports."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    name = getattr(node, "name", None) or getattr(node, "rest", None)
    if isinstance(name, str) and not isinstance(node, ast.alias):
        yield name  # def, class, except ... as, and what a case captures
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
        return
    if isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
        walrus = (part for part in walk(node) if isinstance(part, ast.NamedExpr))
        yield from (part.target.id for part in walrus)
        return
    for part in _children(node):
        yield from _stored(part)


def _declared_outer(body: list[ast.AST]) -> set[str]:
    found = (part for statement in body for part in walk(statement) if isinstance(part, ast.Global))
    return {name for part in found for name in part.names}
