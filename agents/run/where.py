"""Where an exception was raised: the line in the code of who declared it, and all of the way."""

import sysconfig
import traceback
from pathlib import Path

__all__ = ["place_of", "way_of"]

MOST_CHARACTERS = 8_000
"""What is kept of a traceback, from its end: an exception that recurses has thousands of lines."""

_ENGINE = Path(__file__).resolve().parents[1]
_LIBRARIES = tuple(
    Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")
)


def place_of(error: BaseException) -> str:
    """``file:line`` of the last line that is neither of the engine nor of a library.

    The file is told from the working directory, where it is below that. Empty where the exception
    was never raised.
    """
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    theirs = [frame for frame in frames if not _is_of_others(Path(frame.filename).resolve())]
    frame = (theirs or frames)[-1]
    path = Path(frame.filename)
    shown = path.relative_to(here) if (here := _here()) and path.is_relative_to(here) else path
    return f"{shown}:{frame.lineno}"


def _here() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # it was removed
        return None


def _is_of_others(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in (_ENGINE, *_LIBRARIES))


def way_of(error: BaseException) -> str:
    """The traceback as Python prints it; of a long one, the end."""
    text = "".join(traceback.format_exception(error))
    return text if len(text) <= MOST_CHARACTERS else f"…{text[-MOST_CHARACTERS:]}"
