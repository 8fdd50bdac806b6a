"""The ``key=value`` words of a command, declared once: names, types, defaults and what is wrong.

A command subclasses `Options` and takes it with `takes`:

```
class ServeOptions(Options):
    port: int = word("N", 8765, ge=1, example="8765")

@click.command("serve")
@takes(ServeOptions)
def serve_command(options: ServeOptions) -> None:
```
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, TypeVar

import click
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from agents.cli.words import LEDGER_NAME, parse_words, state_directory
from agents.command import PROGRAM
from agents.errors import UsageError, nearest
from agents.ledger.events import Event
from agents.ledger.store import Ledger

__all__ = ["Options", "RunOptions", "StateOptions", "Words", "takes", "word"]

Command = TypeVar("Command", bound=Callable[..., Any])


def word(metavar: str, default: Any = ..., *, example: str = "", **bounds: Any) -> Any:
    """One word of a command.

    Args:
        metavar: What stands after ``=`` in the usage.
        default: Its value where it is not given; without one it has to be given.
        example: A value that is right; the fix when one is wrong.
        bounds: As pydantic's ``Field`` takes them.
    """
    return Field(default, title=metavar, examples=[example] if example else None, **bounds)


class Options(BaseModel):
    """The words of one command; a subclass declares them."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    bare: ClassVar[str] = ""
    """The word that may be given without its name: ``show last`` is ``show run=last``."""

    @classmethod
    def read(cls, words: Iterable[str], command: str) -> Self:
        """The words of a command, checked.

        Args:
            words: As they were typed.
            command: Whose they are, for messages.

        Raises:
            UsageError: A word that is none, is unknown, missing, given twice or of another type.
        """
        parsed = parse_words(f"{cls.bare}={word}" if cls.is_bare(word) else word for word in words)
        for key in parsed:
            if key not in cls.model_fields:
                near = nearest(key, cls.model_fields)
                raise UsageError(f"{command} takes {', '.join(cls.names())}, not {key}={near}")
        try:
            return cls.model_validate(parsed)
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
        return UsageError(f"{key}={problem['input']}: {told}", fix=fix)

    @classmethod
    def names(cls) -> list[str]:
        """Its own words, then those that other commands take, too."""
        own = [name for name in cls.model_fields if name in cls.__annotations__]
        return [*own, *(name for name in cls.model_fields if name not in own)]

    @classmethod
    def usage(cls) -> str:
        """The words as the usage shows them."""
        shown = []
        for name in cls.names():
            declared = cls.model_fields[name]
            text = str(declared.title) if name == cls.bare else f"{name}={declared.title}"
            shown.append(text if declared.is_required() else f"[{text}]")
        return " ".join(shown)


StateDirectory = Annotated[Path, BeforeValidator(lambda text: state_directory(text or None))]


class StateOptions(Options):
    """The words of a command that reads a state directory."""

    state: StateDirectory = word("DIR", "")

    @property
    def ledger(self) -> Path:
        """The ledger of the state directory."""
        return self.state / LEDGER_NAME

    def events(self) -> Sequence[Event]:
        """Everything that is in the ledger."""
        with Ledger(self.ledger, readonly=True) as ledger:
            return ledger.events()


class RunOptions(StateOptions):
    """The words of a command about one run: an id, a unique beginning of one, or last."""

    bare = "run"
    run: str = word("RUN", "last")


class Words(click.Argument):
    """The rest of a command line, read as options.

    Args:
        declarations: The name of the parameter, as click hands it over.
        options: What the words are read as.
    """

    def __init__(self, declarations: Sequence[str], *, options: type[Options]) -> None:
        super().__init__(declarations, nargs=-1, metavar=options.usage(), callback=self._read)
        self.options = options

    def _read(self, context: click.Context, _: click.Parameter, words: tuple[str, ...]) -> Options:
        return self.options.read(words, context.command_path.removeprefix(PROGRAM).strip())


def takes(options: type[Options]) -> Callable[[Command], Command]:
    """The command takes these words, as its parameter ``options``."""
    return click.argument("options", cls=Words, options=options)
