"""The pins of a uv.lock: what the project itself needs, without its groups and extras."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from training.declare.requirements import RequirementError

__all__ = ["locked"]

_INDEX: Final = re.compile(r"https?://(?:www\.)?pypi\.(?:org|python\.org)(?:/|$)")
_FIX: Final = "uv lock; then run the same command again"

_Always: Final = frozenset[str]()


class _Node(NamedTuple):
    """A package of a version, with the extras that are asked of it."""

    name: str
    version: str
    extra: str = ""


def locked(path: Path) -> tuple[str, ...]:
    """The pins, sorted; those that are needed on some platforms only with the condition.

    Raises:
        RequirementError: It is no lock of a project, or holds what cannot be pinned.
    """
    try:
        text = path.read_text(encoding="utf-8")
        packages = tomllib.loads(text)["package"]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError) as error:
        raise RequirementError(f"{path} cannot be read: {error}", fix=_FIX) from None
    try:
        return _Lock(path, text, packages).pins()
    except (KeyError, TypeError, AttributeError) as error:
        raise RequirementError(
            f"{path} cannot be read as a lock of uv: {error!r}", fix=_FIX
        ) from error


class _Lock:
    def __init__(self, path: Path, text: str, packages: list[dict[str, Any]]) -> None:
        self._path = path
        self._text = text
        self._packages = {_Node(each["name"], each.get("version", "")): each for each in packages}

    def pins(self) -> tuple[str, ...]:
        root = self._root()
        conditions: dict[_Node, set[frozenset[str]]] = {root: {_Always}}
        waiting = [root]
        while waiting:
            node = waiting.pop()
            for condition in list(conditions[node]):
                for needed, marker in self._needs(node):
                    joined = condition | ({marker} if marker else set())
                    known = conditions.setdefault(needed, set())
                    # what is needed under less is needed under this as well
                    if any(each <= joined for each in known):
                        continue
                    known -= {each for each in known if joined <= each}
                    known.add(joined)
                    waiting.append(needed)
        wanted: dict[_Node, set[frozenset[str]]] = {}
        for node, each in conditions.items():
            wanted.setdefault(node._replace(extra=""), set()).update(each)
        del wanted[root]
        return tuple(sorted(self._pin(node, each) for node, each in wanted.items()))

    def _root(self) -> _Node:
        """The project itself: the package that lies beside the lock."""
        for node, package in self._packages.items():
            if "." in (package["source"].get("virtual"), package["source"].get("editable")):
                return node
        raise RequirementError(
            f"{self._path} is of no project that lies beside it",
            fix="uv export --no-hashes > requirements.txt, and name that file",
        )

    def _needs(self, node: _Node) -> Iterator[tuple[_Node, str]]:
        package = self._packages[node._replace(extra="")]
        edges = (
            package.get("optional-dependencies", {}).get(node.extra, [])
            if node.extra
            else package.get("dependencies", [])
        )
        for edge in edges:
            needed = self._found(edge)
            for extra in ("", *edge.get("extra", [])):
                yield needed._replace(extra=extra), edge.get("marker", "")

    def _found(self, edge: Mapping[str, Any]) -> _Node:
        nodes = [
            node
            for node in self._packages
            if node.name == edge["name"] and edge.get("version", node.version) == node.version
        ]
        if len(nodes) != 1:
            raise self._error(edge["name"], f"{len(nodes)} versions of it fit", _FIX)
        return nodes[0]

    def _pin(self, node: _Node, conditions: set[frozenset[str]]) -> str:
        source = self._packages[node]["source"]
        if _INDEX.match(source.get("registry", "")):
            pin = f"{node.name}=={node.version}"
        elif "git" in source:
            address, _, commit = source["git"].partition("#")
            pin = f"{node.name} @ git+{address.partition('?')[0]}@{commit}"
        elif "url" in source:
            pin = f"{node.name} @ {source['url']}#{self._hash(node)}"
        else:
            where = ", ".join(str(each) for each in source.values())
            raise self._error(
                node.name,
                f"it comes from {where}, where an image does not look",
                "pin it by its address and hash in a requirements.txt, or ship it by source=",
            )
        return f"{pin}{_marker(conditions)}"

    def _hash(self, node: _Node) -> str:
        package = self._packages[node]
        files = [*package.get("wheels", []), package.get("sdist") or {}]
        hashes = [each["hash"] for each in files if each.get("hash", "").startswith("sha256:")]
        if not hashes:
            raise self._error(node.name, "it has no hash", _FIX)
        return str(hashes[0]).replace(":", "=")

    def _error(self, name: str, message: str, fix: str) -> RequirementError:
        match = re.search(rf'(?m)^name = "{re.escape(name)}"', self._text)
        line = self._text.count("\n", 0, match.start()) + 1 if match else 1
        return RequirementError(f"{self._path}:{line}: {name}: {message}", fix=fix)


def _marker(conditions: set[frozenset[str]]) -> str:
    """The condition under which something is needed; empty when it always is."""
    if _Always in conditions:
        return ""
    joined = sorted(" and ".join(f"({marker})" for marker in sorted(each)) for each in conditions)
    text = " or ".join(f"({each})" for each in joined) if len(joined) > 1 else joined[0]
    return " ; " + re.sub(r"\s+", " ", text).replace("'", '"')
