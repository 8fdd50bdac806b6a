"""The arguments that a script declares, found by reading its calls of argparse and click."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["UNKNOWN", "Argument", "arguments_of"]

_TYPES = {"int": int, "float": float, "str": str, "Path": str, "PurePath": str}
_SWITCHES = ("store_true", "store_false", "store_const", "count", "BooleanOptionalAction")
_NO_VALUE = ("help", "version")


class _Unknown:
    """What is written there, only running the script would tell."""


UNKNOWN = _Unknown()


@dataclass(frozen=True)
class Argument:
    """One argument of a script's command line.

    Attributes:
        name: By which the script itself reads it.
        flag: As it is typed, ``--max-steps``; empty for one that is known by its place.
        kind: The type of its value.
        default: Its value where it is not given; `UNKNOWN` where reading does not tell.
        required: Whether the script refuses to start without it.
        choices: The values that there are; empty: any.
        about: What its help says.
        odd: Why it cannot be a setting: it has no value, or several.
    """

    name: str
    flag: str
    kind: type = str
    default: Any = None
    required: bool = False
    choices: tuple[Any, ...] = ()
    about: str = ""
    odd: str = ""


def arguments_of(tree: ast.Module) -> list[Argument]:
    """The arguments that a module declares, each once, in the order in which they stand there."""
    constants = _constants(tree)
    found: dict[str, Argument] = {}
    for call in _calls(tree):
        argument = _argument(call, constants)
        if argument is not None:
            found.setdefault(argument.name, argument)
    return list(found.values())


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    """Calls of ``….add_argument``, ``click.option`` and ``click.argument``, by their lines."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    clicks = _clicks(tree)
    for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
        if isinstance(call.func, ast.Attribute):
            owner, name = call.func.value, call.func.attr
            is_click = isinstance(owner, ast.Name) and owner.id == "click"
            if name == "add_argument" or (is_click and name in ("option", "argument")):
                yield call
        elif isinstance(call.func, ast.Name) and call.func.id in clicks:
            yield call


def _clicks(tree: ast.Module) -> set[str]:
    """Names under which a module imports ``option`` and ``argument`` of click."""
    return {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "click"
        for alias in node.names
        if alias.name in ("option", "argument")
    }


def _constants(tree: ast.Module) -> dict[str, Any]:
    """The names that the module gives to plain values, once each."""
    constants: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, value = node.targets[0], _value(node.value, {})
            if isinstance(target, ast.Name):
                constants[target.id] = UNKNOWN if target.id in constants else value
    return constants


def _argument(call: ast.Call, constants: Mapping[str, Any]) -> Argument | None:
    names = [each.value for each in call.args if isinstance(each, ast.Constant)]
    texts = [name for name in names if isinstance(name, str)]
    said = {each.arg: each.value for each in call.keywords if each.arg}
    values = {name: _value(node, constants) for name, node in said.items()}
    action = _name(said["action"]) if "action" in said else ""
    flags = [text for text in texts if text.startswith("-")]
    if not texts or action in _NO_VALUE:
        return None
    flag = next((each for each in flags if each.startswith("--")), flags[0] if flags else "")
    default = values.get("default")
    about = values.get("help")
    return Argument(
        name=_dest(texts, values.get("dest"), flag),
        flag=flag.partition("/")[0],
        kind=_kind(said.get("type"), default),
        default=default,
        required=values.get("required") is True or (not flag and default is None),
        choices=_choices(said, values, constants),
        about=_about(about, default) if isinstance(about, str) else "",
        odd=_odd(action, flag, values),
    )


def _dest(texts: Sequence[str], dest: object, flag: str) -> str:
    """The name a parser gives it: said, or made of the flag; click takes one without dashes."""
    plain = [text for text in texts if not text.startswith("-")]
    name = dest if isinstance(dest, str) else plain[0] if plain else flag
    return name.partition("/")[0].lstrip("-").replace("-", "_")


def _kind(node: ast.expr | None, default: object) -> type:
    """The type it is read as; where none is said, the type of its default."""
    if node is None:
        return type(default) if type(default) in (int, float) else str
    return _TYPES.get(_name(node), type(default) if type(default) in (int, float) else str)


def _choices(
    said: Mapping[str, ast.expr], values: Mapping[str, Any], constants: Mapping[str, Any]
) -> tuple[Any, ...]:
    """The values that there are, of ``choices=`` or of ``type=click.Choice([…])``."""
    choices = values.get("choices")
    kind = said.get("type")
    if isinstance(kind, ast.Call) and _name(kind.func) == "Choice" and kind.args:
        choices = _value(kind.args[0], constants)
    return tuple(choices) if isinstance(choices, list | tuple) else ()


def _odd(action: str, flag: str, values: Mapping[str, Any]) -> str:
    if action in _SWITCHES or values.get("is_flag") is True or "/" in flag:
        return "it is on or off"
    if action in ("append", "extend") or values.get("multiple") is True:
        return "it may be given several times"
    if values.get("nargs") not in (None, 1, "?"):
        return "it has several values"
    return ""


def _about(help_text: str, default: object) -> str:
    text = help_text.replace("%(default)s", str(default)).replace("%%", "%")
    return " ".join(text.split())


def _name(node: ast.expr) -> str:
    """The last word of a dotted name, or a text."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Name):
        return node.id
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _value(node: ast.expr, constants: Mapping[str, Any]) -> Any:
    """A plain value, ``Path("x")`` as its text, or `UNKNOWN`."""
    if isinstance(node, ast.Name):
        return constants.get(node.id, UNKNOWN)
    if isinstance(node, ast.Call) and _name(node.func) in ("Path", "PurePath") and node.args:
        return _value(node.args[0], constants)
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return UNKNOWN
