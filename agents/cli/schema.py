"""``schema``: JSON Schemas of what is printed and taken."""

from pathlib import Path

import click

from agents.cli.options import takes
from agents.cli.output import emit, json_option
from agents.cli.words import catalogue_of
from agents.command import command
from agents.declare.words import Options, word
from agents.errors import UsageError, nearest
from agents.schemas import schemas, write_schemas
from agents.schemas.export import schema_text

__all__ = ["schema_command"]


class SchemaOptions(Options):
    """Which schema, or where all go."""

    bare = "name"
    name: str = word("NAME", "")
    out: Path | None = word("DIR", None)


@click.command("schema")
@takes(SchemaOptions)
@json_option
@click.pass_context
def schema_command(context: click.Context, options: SchemaOptions, as_json: bool) -> None:
    """JSON Schemas of what commands print and goals take.

    Without NAME their names; with NAME that one; with out=DIR all are written there.
    """
    if options.out and options.name:
        raise UsageError("schema takes one NAME, or out=DIR", fix=command("schema"))
    catalogue = catalogue_of(context)
    if options.out:
        changed = [str(path) for path in write_schemas(catalogue, options.out)]
        text = "\n".join(changed) or "nothing to change"
        emit("schema", {"changed": changed}, lambda: text, json_wanted=as_json)
        return
    there = schemas(catalogue)
    if not options.name:
        emit("schema", list(there), lambda: "\n".join(there), json_wanted=as_json)
        return
    if options.name not in there:
        raise UsageError(
            f"there is no schema {options.name!r}{nearest(options.name, there)}",
            fix=command("schema"),
        )
    schema = there[options.name]
    emit("schema", schema, lambda: schema_text(schema).rstrip("\n"), json_wanted=as_json)
