"""The words of a command, declared once: names, types, defaults and what is wrong.

A command subclasses `Options`. A field is a ``key=value`` word, or a flag such as ``--follow``:

```
class ServeOptions(Options):
    port: int = word("N", 8765, ge=1, example="8765")
    quiet: bool = flag("--quiet", about="Say nothing.")
```
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from agents.errors import UsageError, nearest

__all__ = ["Flag", "Options", "flag", "parse_words", "require_text", "word"]


def require_text(key: str, value: str) -> None:
    """What is no UTF-8 arrives as half characters, which neither ledger nor manifest can hold.

    Raises:
        UsageError: The value is such, or holds the character that no path may hold.
    """
    if "\0" in value:
        raise UsageError(f"{key}={value!a} holds a null character", fix="leave it out")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"{key}={value!a} is not text in UTF-8",
            fix="rename the file, or set a UTF-8 locale: export LC_ALL=C.UTF-8",
        ) from None


def parse_words(words: Iterable[str]) -> dict[str, str]:
    """``key=value`` words as a mapping.

    Raises:
        UsageError: A word without ``=``, a key given twice, or a value that is not UTF-8.
    """
    parsed: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise UsageError(f"{word!r} is not of the form key=value", fix=f"goal={word}")
        if key in parsed:
            raise UsageError(f"{key}= is given twice")
        require_text(key, value)
        parsed[key] = value
    return parsed


def word(metavar: str, default: Any = ..., *, example: str = "", **bounds: Any) -> Any:
    """One word of a command.

    Args:
        metavar: What stands after ``=`` in the usage.
        default: Its value where it is not given; without one it has to be given.
        example: A value that is right; the fix when one is wrong.
        bounds: As pydantic's ``Field`` takes them.
    """
    return Field(default, title=metavar, examples=[example] if example else None, **bounds)


def flag(
    *names: str,
    about: str,
    default: Any = False,
    metavar: str = "",
    **bounds: Any,
) -> Any:
    """One flag of a command: ``--follow``, or with a metavar ``--lines N``.

    Args:
        names: As they are typed, the long one first.
        about: One sentence about it.
        default: Its value where it is not given.
        metavar: What its value is called; without one, giving it means true.
        bounds: As pydantic's ``Field`` takes them.
    """
    extra: Any = {"flag": list(names)}
    return Field(default, title=metavar, description=about, json_schema_extra=extra, **bounds)


class Flag(NamedTuple):
    """A flag as it was declared: see `flag`."""

    field: str
    names: tuple[str, ...]
    metavar: str
    about: str


class Options(BaseModel):
    """The words of one command; a subclass declares them."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, defer_build=True)

    bare: ClassVar[str] = ""
    """The word that may be given without its name: ``show last`` is ``show run=last``."""

    @classmethod
    def read(
        cls, words: Iterable[str], command: str, flags: Mapping[str, object] | None = None
    ) -> Self:
        """The words of a command, checked.

        Args:
            words: As they were typed.
            command: Whose they are, for messages.
            flags: Values of the flags that were given, by field.

        Raises:
            UsageError: A word that is none, is unknown, missing, given twice or of another type.
        """
        parsed = parse_words(f"{cls.bare}={word}" if cls.is_bare(word) else word for word in words)
        names = cls.names()
        for key in parsed:
            if key not in names:
                near = nearest(key, names)
                raise UsageError(f"{command} takes {', '.join(names)}, not {key}={near}")
        try:
            return cls.model_validate({**parsed, **(flags or {})})
        except ValidationError as error:
            raise cls._wrong(error.errors()[0], command) from error

    @classmethod
    def is_bare(cls, word: str) -> bool:
        """Whether a word is the one that is given without its name."""
        return bool(cls.bare) and "=" not in word

    @classmethod
    def _wrong(cls, problem: ErrorDetails, command: str) -> UsageError:
        key = str(problem["loc"][0]) if problem["loc"] else ""
        examples = cls.model_fields[key].examples if key else None
        fix = f"{key}={examples[0]}" if examples else ""
        if problem["type"] == "missing":
            return UsageError(f"no {key} given: {command} needs {key}=", fix=fix)
        if problem["type"] == "value_error":
            return UsageError(str(problem["ctx"]["error"]), fix=fix)
        told = problem["msg"][:1].lower() + problem["msg"][1:]
        typed = {each.field: f"{each.names[0]} " for each in cls.flags()}.get(key, f"{key}=")
        return UsageError(f"{typed}{problem['input']}: {told}", fix=fix)

    @classmethod
    def flags(cls) -> list[Flag]:
        """Its flags, in the order in which they are declared."""
        return [
            Flag(name, tuple(map(str, names)), field.title or "", field.description or "")
            for name, field in cls.model_fields.items()
            if isinstance(extra := field.json_schema_extra, dict)
            and isinstance(names := extra.get("flag"), list)
        ]

    @classmethod
    def names(cls) -> list[str]:
        """Its own words, then those that other commands take, too."""
        flags = {each.field for each in cls.flags()}
        declared = [name for kind in cls.__mro__ for name in vars(kind).get("__annotations__", ())]
        return [
            *dict.fromkeys(
                name for name in declared if name in cls.model_fields and name not in flags
            )
        ]

    @classmethod
    def usage(cls) -> str:
        """The words as the usage shows them."""
        shown = []
        for name in cls.names():
            declared = cls.model_fields[name]
            text = str(declared.title) if name == cls.bare else f"{name}={declared.title}"
            shown.append(text if declared.is_required() else f"[{text}]")
        return " ".join(shown)
