"""The parameters of a goal as rows: what each takes, in words."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from agents.declare.actions import Goal
from agents.declare.parameters import role_of
from agents.schemas.models import ParameterData

__all__ = ["parameters_of"]

_BOUNDS = {
    "minimum": ">=",
    "exclusiveMinimum": ">",
    "maximum": "<=",
    "exclusiveMaximum": "<",
}
_WORDS = {"string": "text", "boolean": "true or false", "null": "nothing"}


def parameters_of(goal: Goal) -> list[ParameterData]:
    """Every parameter that a user may set, with its type, bounds and choices."""
    schema = goal.parameters.model_json_schema()
    return [
        ParameterData(
            name=name,
            type=_told(schema["properties"][name], schema.get("$defs", {})),
            default=None if field.is_required() else _json(goal.parameters, name),
            role=role_of(goal.parameters, name),
            description=field.description or "",
        )
        for name, field in goal.parameters.model_fields.items()
        if not field.frozen
    ]


def _json(parameters: type[BaseModel], name: str) -> Any:
    return to_jsonable_python(parameters.model_fields[name].get_default(call_default_factory=True))


def _told(schema: Mapping[str, Any], named: Mapping[str, Any]) -> str:
    """A JSON Schema in a few words.

    >>> _told({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]}, {})
    'integer >= 1'
    """
    if "$ref" in schema:
        return _told(named[schema["$ref"].rpartition("/")[2]], named)
    if "anyOf" in schema:
        kinds = [each for each in schema["anyOf"] if each.get("type") != "null"]
        return " or ".join(_told(each, named) for each in kinds)
    if "enum" in schema:
        return " | ".join(str(each) for each in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        items = schema.get("prefixItems") or [schema.get("items", {})]
        return f"list of {_told(items[0], named)}"
    kind = "path" if schema.get("format") == "path" else schema.get("type", "anything")
    bounds = [f"{sign} {schema[key]}" for key, sign in _BOUNDS.items() if key in schema]
    return " ".join([_WORDS.get(kind, kind), " and ".join(bounds)]).strip()
