"""The page of the architecture says what is there: rooms, and what every event holds."""

import re
from pathlib import Path

from agents.ledger.payloads import MODELS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([a-z.]+\.[a-z]+)` \| `(\w+)`: (.*) \|$", re.MULTILINE)


def fields(text):
    """The names in a list of fields; what stands in brackets or after a colon explains."""
    return {part.split(":")[0].strip() for part in re.sub(r"\(.*?\)", "", text).split(", ")}


def test_each_payload_is_described_with_exactly_its_fields():
    described = {
        kind: (model, {name for name in fields(text) if name not in ("value", "evidence")})
        for kind, model, text in ROW.findall(PAGE)
    }
    assert described == {
        kind: (
            model.__name__,
            {field.alias or name for name, field in model.model_fields.items()},
        )
        for kind, model in MODELS.items()
    }


def test_each_path_of_ours_is_there_and_no_room_is_left_out():
    named = set(re.findall(r"`((?:agents|training|actions|goals|tests)/[\w/.-]*)`", PAGE))
    assert {path for path in named if not (ROOT / path).exists()} == set()
    rooms = {
        f"{folder.relative_to(ROOT).as_posix()}/"
        for top in ("agents", "training")
        for folder in (ROOT / top).iterdir()
        if (folder / "__init__.py").is_file()
    }
    assert rooms - named == set()
