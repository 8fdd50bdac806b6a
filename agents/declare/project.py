"""What a project says of this program: the table ``[tool.goap]`` of its pyproject.toml.

```toml
[tool.goap]
catalogue = "job:CATALOGUE"     # which declarations are used
usd_per_day = 20                # the most that may be spent on a day of UTC
usd_per_month = 200             # and in a month
```

Each key is taken from the nearest pyproject.toml that has it.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.errors import UsageError, nearest

__all__ = ["CATALOGUE", "PER_DAY", "PER_MONTH", "Said", "said_of"]

CATALOGUE, PER_DAY, PER_MONTH = "catalogue", "usd_per_day", "usd_per_month"
EXAMPLES = {CATALOGUE: '"job:CATALOGUE"', PER_DAY: "20", PER_MONTH: "200"}


@dataclass(frozen=True)
class Said:
    """The value of a key, and where it stands.

    Attributes:
        value: A text, or a number of dollars.
        path: The pyproject.toml.
        line: The line of it.
    """

    value: Any
    path: Path
    line: int

    @property
    def source(self) -> str:
        """``FILE:LINE``."""
        return f"{self.path}:{self.line}"


def said_of(key: str, start: Path) -> Said | None:
    """What the nearest pyproject.toml says that has a key; None where none has it.

    Args:
        key: One of the table's.
        start: The folder where it is looked for first, then in its parents.

    Raises:
        UsageError: A table on the way makes no sense; the message has file and line.
    """
    for folder in (start, *start.parents):
        said = _table(folder / "pyproject.toml").get(key)
        if said is not None:
            return said
    return None


def _table(path: Path) -> dict[str, Said]:
    """The table of one pyproject.toml; empty where there is none, or it says nothing of us."""
    try:
        text = path.read_bytes().decode()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", fix=f"mend {path}") from None
    if "goap" not in text:
        return {}  # most are not ours, and parsing takes its time
    import tomllib  # noqa: PLC0415 - see above

    try:
        tool = tomllib.loads(text).get("tool")
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not TOML: {error}", fix=f"mend {path}") from None
    if not isinstance(tool, dict) or "goap" not in tool:
        return {}
    table = tool["goap"]
    if not isinstance(table, dict) or not table:
        where = f"{path}:{_line(text, CATALOGUE)}"
        raise UsageError(
            f"{where}: [tool.goap] is a table with {', '.join(EXAMPLES)}, not {table!r}",
            fix=f"write {_example(CATALOGUE)} below [tool.goap]",
        )
    return {key: _checked(Said(value, path, _line(text, key)), key) for key, value in table.items()}


def _checked(said: Said, key: str) -> Said:
    if key not in EXAMPLES:
        raise UsageError(
            f"{said.source}: [tool.goap] has no key {key}{nearest(key, EXAMPLES)}; it has "
            f"{', '.join(EXAMPLES)}",
            fix=f"write {_example(CATALOGUE)} there",
        )
    is_number = isinstance(said.value, int | float) and not isinstance(said.value, bool)
    if key == CATALOGUE and not isinstance(said.value, str):
        wrong = "is a text"
    elif key != CATALOGUE and not (is_number and 0 <= said.value < math.inf):
        wrong = "is a number of dollars, 0 or more"
    else:
        return said
    raise UsageError(
        f"{said.source}: the value of {key} {wrong}, not {said.value!r}",
        fix=f"write {_example(key)} there",
    )


def _example(key: str) -> str:
    return f"{key} = {EXAMPLES[key]}"


def _line(text: str, key: str) -> int:
    """The line of a key below ``[tool.goap]``; else that of the table."""
    header = re.search(r"^\s*\[\s*tool\s*\.\s*goap\s*\]", text, re.MULTILINE)
    start = header.start() if header else 0
    found = re.compile(rf"^[^#\n\[]*\b{re.escape(key)}\b\s*=", re.MULTILINE).search(text, start)
    last = found.end() if found else header.end() if header else text.index("goap")
    return text.count("\n", 0, last) + 1
