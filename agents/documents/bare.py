"""Classes that a sentence names without their package: ``Image.from_name``, ``app.function``."""

import ast

from agents.documents.names import Instance, Names, member

__all__ = ["bare_names"]

PACKAGE = "modal"
"""The package whose classes pages name that way."""

INSTANCES = {"app": "App"}
"""What everybody calls an object of a class."""


def bare_names(node: ast.AST, packages: frozenset[str]) -> dict[str, object]:
    """What the first name of an expression means, where it is one of the package's classes.

    Another package may have a class of the same name; when that one has the attribute, it is
    meant, and nothing is said.
    """
    first = _first_attribute(node)
    if first is None or PACKAGE not in packages:
        return {}
    name, attribute = first
    names = Names(packages)
    found = member(names.module(PACKAGE), INSTANCES.get(name, name))
    kind = found[0] if found is not None else None
    if not isinstance(kind, type) or not kind.__module__.startswith(f"{PACKAGE}."):
        return {}
    if name in INSTANCES:
        known = member(kind, attribute) is not None
        return {name: Instance(kind)} if known else {}
    if member(kind, attribute) is None and _elsewhere(name, attribute, names):
        return {}
    return {name: kind}


def _first_attribute(node: ast.AST) -> tuple[str, str] | None:
    """``(Image, from_name)`` of ``Image.from_name("x").run()``."""
    while True:
        if isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Attribute):
            if isinstance(node.value, ast.Name):
                return node.value.id, node.attr
            node = node.value
        else:
            return None


def _elsewhere(name: str, attribute: str, names: Names) -> bool:
    for package in sorted(names.packages - {PACKAGE}):
        found = member(names.module(package), name)
        if found is not None and member(found[0], attribute) is not None:
            return True
    return False
