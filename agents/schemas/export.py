"""Schemas as documents and as files."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from agents.declare.catalogue import Catalogue
from agents.schemas.brief import BriefRun
from agents.schemas.models import (
    ErrorData,
    EventData,
    ExplainedAction,
    ExplainedFact,
    ExplainedGoal,
    PlanData,
    RunData,
    ShowData,
    StatusData,
)

__all__ = ["schemas", "write_schemas"]

DRAFT = "https://json-schema.org/draft/2020-12/schema"
DATA: dict[str, type[BaseModel]] = {
    "plan": PlanData,
    "run": RunData,
    "show": BriefRun,
    "show-events": ShowData,
    "status": StatusData,
    "explain-goal": ExplainedGoal,
    "explain-action": ExplainedAction,
    "explain-fact": ExplainedFact,
    "event": EventData,
    "error": ErrorData,
}


def schemas(catalogue: Catalogue) -> dict[str, dict[str, Any]]:
    """Name → JSON Schema (draft 2020-12): data of commands, the envelope, a goal's parameters."""
    documents = {name: _document(name, model.model_json_schema()) for name, model in DATA.items()}
    documents["envelope"] = _document("envelope", _envelope())
    for name, goal in catalogue.goals.items():
        documents[f"goal-{name}"] = _document(f"goal-{name}", goal.parameters.model_json_schema())
    return dict(sorted(documents.items()))


def write_schemas(catalogue: Catalogue, folder: Path) -> list[Path]:
    """Write every schema to ``<folder>/<name>.json``, and return the files that changed."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for name, schema in schemas(catalogue).items():
        path = folder / f"{name}.json"
        text = schema_text(schema)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


def schema_text(schema: dict[str, Any]) -> str:
    """The schema as the text of its file; the same schema is always the same text."""
    return json.dumps(_whole(schema), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _whole(value: Any) -> Any:
    """The same JSON with 0 for 0.0."""
    # types that differ in this alone are one to the caches of `typing`: which of the two a schema
    # has would depend on what was imported first
    if isinstance(value, dict):
        return {key: _whole(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _document(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"$schema": DRAFT, "$id": f"urn:goap-modal-agents:{name}:1", **schema}


def _envelope() -> dict[str, Any]:
    """The one document that every ``--json`` prints."""
    error = ErrorData.model_json_schema()
    return {
        "title": "Envelope",
        "description": "What every command prints with --json: data when ok, else an error.",
        "type": "object",
        "required": ["schema", "ok", "data", "error"],
        "additionalProperties": False,
        "properties": {
            "schema": {"type": "string", "pattern": r"^agents\.[a-z.]+/\d+$"},
            "ok": {"type": "boolean"},
            "data": {},
            "error": {"anyOf": [error, {"type": "null"}]},
        },
    }
