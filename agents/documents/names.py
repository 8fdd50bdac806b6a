"""Names of Python APIs: what a dotted name is, in the packages that are installed.

Nothing is guessed: where it is not known what an expression is, nothing is said about it.
"""

import ast
import importlib
import importlib.util
import inspect
import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from agents.documents.findings import nearest_word

__all__ = ["UNSURE", "Instance", "Names"]


class _Unsure:
    """An expression of which nothing is known."""


UNSURE = _Unsure()


@dataclass(frozen=True)
class Instance:
    """Some object of a class."""

    kind: type


@dataclass
class Names:
    """Looks names up, and remembers what was wrong with them.

    Attributes:
        packages: Top-level names that may be imported.
        known: Names of the page → what they are.
        problems: (line, name, message) of every name that is not there.
    """

    packages: frozenset[str]
    known: dict[str, object] = field(default_factory=dict)
    problems: list[tuple[int, str, str]] = field(default_factory=list)

    def module(self, name: str) -> object:
        """A module of the packages; `UNSURE` when it is another's or cannot be imported."""
        if name.partition(".")[0] not in self.packages:
            return UNSURE
        try:
            return importlib.import_module(name)
        except Exception:  # noqa: BLE001 - whatever another package raises, nothing is known
            return UNSURE

    def evaluate(self, node: ast.AST) -> object:
        """What an expression is, noting each wrong name inside."""
        if isinstance(node, ast.Name):
            return self.known[node.id] if node.id in self.known else self.module(node.id)
        if isinstance(node, ast.Attribute):
            owner = self.evaluate(node.value)
            return self._attribute(owner, node)
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.Await):
            return self.evaluate(node.value)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.evaluate(child)
        return UNSURE

    def _attribute(self, owner: object, node: ast.Attribute) -> object:
        if isinstance(owner, _Unsure):
            return UNSURE
        holder = member(owner, node.attr)
        if holder is not None:
            return holder[0]
        name = ast.unparse(node)
        self.problems.append(
            (
                node.lineno,
                name,
                f"{_title(owner)} has no {node.attr!r}{nearest_word(node.attr, _public(owner))}",
            )
        )
        return UNSURE

    def _call(self, node: ast.Call) -> object:
        function = self.evaluate(node.func)
        for each in (*node.args, *(keyword.value for keyword in node.keywords)):
            self.evaluate(each)
        if isinstance(function, _Unsure | Instance):
            return UNSURE
        allowed = _keywords(function)
        for keyword in node.keywords:
            if allowed is not None and keyword.arg and keyword.arg not in allowed:
                name = ast.unparse(node.func)
                near = nearest_word(keyword.arg, allowed)
                self.problems.append(
                    (
                        node.lineno,
                        f"{name}({keyword.arg}=…)",
                        f"{name} has no parameter {keyword.arg!r}{near}",
                    )
                )
        return _returned(function)


def member(owner: object, name: str) -> tuple[object] | None:
    """What ``owner.name`` is, in a tuple; None when it is not there."""
    kind = owner.kind if isinstance(owner, Instance) else owner
    if isinstance(kind, types.ModuleType):
        return _module_member(kind, name)
    value = inspect.getattr_static(kind, name, None)
    if value is not None or hasattr(kind, name):
        return (_described(kind, name),)
    if not isinstance(kind, type) or _declares(kind, name):
        return (UNSURE,)
    return None


def _module_member(module: types.ModuleType, name: str) -> tuple[object] | None:
    if hasattr(module, name):
        return (getattr(module, name),)
    full = f"{module.__name__}.{name}"
    try:
        is_module = hasattr(module, "__path__") and importlib.util.find_spec(full) is not None
    except (ImportError, ValueError):
        return (UNSURE,)
    if not is_module:
        return None
    try:
        return (importlib.import_module(full),)
    except Exception:  # noqa: BLE001 - it is there, and cannot be imported here
        return (UNSURE,)


def _described(kind: object, name: str) -> object:
    value = getattr(kind, name, UNSURE)
    if inspect.isroutine(value) or inspect.isclass(value) or inspect.ismodule(value):
        return value
    return UNSURE


def _declares(kind: type, name: str) -> bool:
    """Whether objects of a class have an attribute that the class itself does not show."""
    for base in kind.__mro__:
        fields = {*getattr(base, "__annotations__", {}), *getattr(base, "model_fields", {})}
        if name in fields or name in getattr(base, "__slots__", ()):
            return True
        if "__getattr__" in vars(base):
            return True
        try:
            source = inspect.getsource(base)
        except (OSError, TypeError):
            continue
        if re.search(rf"\bself\.{re.escape(name)}\b\s*(?::[^=\n]+)?=[^=]", source):
            return True
    return False


def _keywords(function: object) -> set[str] | None:
    """Names that can be given by keyword; None when any can, or nobody knows."""
    if not callable(function):
        return None
    try:
        parameters: Mapping[str, inspect.Parameter] = inspect.signature(function).parameters
    except (ValueError, TypeError):
        return None
    kinds = [each.kind for each in parameters.values()]
    if inspect.Parameter.VAR_KEYWORD in kinds:
        return None
    return {
        name
        for name, each in parameters.items()
        if each.kind not in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL)
    }


def _returned(function: object) -> object:
    """An instance of what a call returns, where its annotation says so."""
    if isinstance(function, type):
        return Instance(function)
    annotation = getattr(function, "__annotations__", {}).get("return")
    if isinstance(annotation, type):
        name, module = annotation.__name__, annotation.__module__
    elif isinstance(annotation, str) and annotation.strip("'").isidentifier():
        name, module = annotation.strip("'"), getattr(function, "__module__", "")
    else:
        return UNSURE
    # a wrapped client annotates with its inner classes: `_Image` is shown as `Image`
    for each in _modules(module):
        kind = getattr(each, name.removeprefix("_"), None)
        if isinstance(kind, type):
            return Instance(kind)
    return UNSURE


def _modules(name: str) -> Iterator[object]:
    for each in (name.partition(".")[0], name):
        if each:
            try:
                yield importlib.import_module(each)
            except ImportError:
                continue


def _public(owner: object) -> list[str]:
    kind = owner.kind if isinstance(owner, Instance) else owner
    return [name for name in dir(kind) if not name.startswith("_")]


def _title(owner: object) -> str:
    kind = owner.kind if isinstance(owner, Instance) else owner
    name = getattr(kind, "__qualname__", getattr(kind, "__name__", "it"))
    package = getattr(kind, "__module__", "").partition(".")[0]
    return f"{package}.{name}" if package and not isinstance(kind, types.ModuleType) else str(name)
