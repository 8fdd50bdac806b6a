"""``schema``: JSON Schemas of what is printed and taken."""

from pathlib import Path

import click

from agents.cli.output import emit, json_option
from agents.cli.words import catalogue_of, parse_words
from agents.command import command
from agents.declare.facts import nearest
from agents.errors import UsageError
from agents.schemas import schemas, write_schemas
from agents.schemas.export import schema_text

__all__ = ["schema_command"]


@click.command("schema")
@click.argument("words", nargs=-1, metavar="[NAME] [out=DIR]")
@json_option
@click.pass_context
def schema_command(context: click.Context, words: tuple[str, ...], as_json: bool) -> None:
    """JSON Schemas of what commands print and goals take.

    Without NAME their names; with NAME that one; with out=DIR all are written there.
    """
    given = parse_words([word for word in words if "=" in word])
    names = [word for word in words if "=" not in word]
    folder = given.pop("out", None)
    if given or len(names) > 1 or (folder and names):
        raise UsageError("schema takes one NAME, or out=DIR", fix=command("schema"))
    catalogue = catalogue_of(context)
    if folder:
        changed = [str(path) for path in write_schemas(catalogue, Path(folder))]
        text = "\n".join(changed) or "nothing to change"
        emit("schema", {"changed": changed}, lambda: text, json_wanted=as_json)
        return
    known = schemas(catalogue)
    if not names:
        emit("schema", list(known), lambda: "\n".join(known), json_wanted=as_json)
        return
    if names[0] not in known:
        raise UsageError(
            f"there is no schema {names[0]!r}{nearest(names[0], known)}",
            fix=command("schema"),
        )
    found = known[names[0]]
    emit("schema", found, lambda: schema_text(found).rstrip("\n"), json_wanted=as_json)
