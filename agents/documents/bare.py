"""Classes that a sentence names without their package: ``Image.from_name``, ``app.function``."""

import ast
from collections.abc import Mapping

from agents.documents.names import Instance, Names, member
from agents.documents.project import Project

__all__ = ["bare_names"]


def bare_names(node: ast.AST, project: Project) -> dict[str, object]:
    """What the first name of an expression means, where it is a class of a familiar package.

    Another package may have a class of the same name; when that one has the attribute, it is
    meant, and nothing is said.
    """
    first = _first_attribute(node)
    if first is None:
        return {}
    for package, objects in project.familiar.items():
        if package in project.packages:
            meant = _meant(*first, package, objects, Names(project.packages))
            if meant:
                return meant
    return {}


def _meant(
    name: str, attribute: str, package: str, objects: Mapping[str, str], names: Names
) -> dict[str, object]:
    holder = member(names.module(package), objects.get(name, name))
    kind = holder[0] if holder is not None else None
    if not isinstance(kind, type) or not kind.__module__.startswith(f"{package}."):
        return {}
    if name in objects:
        return {name: Instance(kind)} if member(kind, attribute) is not None else {}
    if member(kind, attribute) is None and _elsewhere(name, attribute, package, names):
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


def _elsewhere(name: str, attribute: str, package: str, names: Names) -> bool:
    for other in sorted(names.packages - {package}):
        holder = member(names.module(other), name)
        if holder is not None and member(holder[0], attribute) is not None:
            return True
    return False
