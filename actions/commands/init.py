"""``init``: a job file, the pyproject entry and a skill for a training of one's own."""

import re
import shlex
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory

from actions.init.declaration import Declaration, declare, name_of
from actions.init.job import job_text, render
from actions.init.pins import requirements_of
from actions.init.place import Piece, ignoring, naming, write
from actions.init.script import CONTRACT_COPY, read_script
from agents import DISTRIBUTION
from agents.command import command
from agents.declare.commands import Answer, Command, Terminal
from agents.declare.words import Options, flag, word
from agents.errors import UsageError

__all__ = ["INIT"]

EXAMPLE = "train.py"
GATE = 'Gate("val_loss", "<=", 0.2)'
"""What the example is judged by."""

_SCRIPTS = ("*.py", "*.sh")


class InitOptions(Options):
    """Which script, and what is said of it."""

    bare = "script"
    script: str = word("SCRIPT", "")
    name: str = flag("--name", about="What the training is called.", metavar="NAME", default="")
    command: str = flag(
        "--command",
        about='How it is started, such as "torchrun train.py --lr {lr}".',
        metavar="TEXT",
        default="",
    )
    gpu: str = flag("--gpu", about="A10G, H100:8, or several.", metavar="GPU", default="")
    copy_contract: bool = flag("--copy-contract", about=f"Copy the contract as {CONTRACT_COPY}.")


def _init(options: InitOptions, terminal: Terminal) -> Answer:
    folder = Path.cwd()
    named = naming(folder)
    example = _is_empty(folder, options)
    made = [_example(options)] if example else []
    made += [_contract()] if options.copy_contract else []
    declared = _declared(folder, options, made)
    pieces = [named, *made]
    pieces.append(Piece("job.py", job_text(declared).encode()))
    skill = _skill(declared)
    kept = [skill.name] if (folder / skill.name).exists() else []
    pieces += [] if kept else [skill]
    pieces += [each for each in [ignoring(folder)] if each is not None]
    write(folder, pieces)
    for hint in _hints(declared):
        terminal.say(hint)
    return _answer(declared, pieces, kept)


def _is_empty(folder: Path, options: InitOptions) -> bool:
    """Whether there is nothing to declare, so that an example is written.

    Raises:
        UsageError: There are scripts, and none was named.
    """
    if options.script or options.command:
        return False
    there = sorted(path.name for pattern in _SCRIPTS for path in folder.glob(pattern))
    there = [name for name in there if name not in ("job.py", CONTRACT_COPY, "setup.py")]
    if there:
        first = next((name for name in there if "train" in name), there[0])
        raise UsageError(
            f"which script? There are {', '.join(there)}", fix=command(f"init {first}")
        )
    return True


def _declared(folder: Path, options: InitOptions, made: list[Piece]) -> Declaration:
    """What is declared of the script that is there, or of the example that will be."""
    example = any(each.name == EXAMPLE for each in made)
    if example:
        with TemporaryDirectory() as place:
            write(Path(place), made)
            script = read_script(Path(place), Path(EXAMPLE))
    else:
        script = read_script(folder, Path(options.script or _started(folder, options.command)))
    name = options.name or name_of(script.path, folder)
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UsageError(
            f"--name {name}: a training is called by small letters, digits and _",
            fix=f"--name {name_of(name, folder)}",
        )
    return declare(
        folder,
        script,
        requirements_of(folder, script.imports),
        name=name,
        command=options.command,
        gpu=options.gpu,
        gates=[GATE] if example else [],
    )


def _started(folder: Path, text: str) -> str:
    """The script that a command starts: its first word that is a file here."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--command {text}: {error}", fix="close what is quoted") from None
    for each in words:
        if (folder / each).is_file():
            return each
    raise UsageError(
        f"--command {text}: no word of it is a file here",
        fix=command("init SCRIPT --command TEXT"),
    )


def _example(options: InitOptions) -> Piece:
    module = Path(CONTRACT_COPY).stem if options.copy_contract else "training.contract"
    return Piece(EXAMPLE, render(EXAMPLE, contract=module).encode())


def _contract() -> Piece:
    text = resources.files("training").joinpath("contract.py").read_bytes()
    return Piece(CONTRACT_COPY, text)


def _skill(declared: Declaration) -> Piece:
    skill = declared.name.replace("_", "-").strip("-")
    settings = [
        {"name": each.name, "default": each.default, "about": each.about.replace("|", "\\|")}
        for each in declared.settings
    ]
    text = render(
        "skill.md",
        skill=skill,
        name=declared.name,
        script=declared.script.path,
        goal=declared.goal,
        settings=settings,
        distribution=DISTRIBUTION,
    )
    return Piece(f".agents/skills/{skill}/SKILL.md", text.encode())


def _hints(declared: Declaration) -> Iterator[str]:
    """What a person has to look at before it can work, or work well."""
    if not declared.script.uses_contract:
        yield (
            f"{declared.script.path} does not say by itself how far it is: job.py shows the lines "
            "that say where its checkpoints and its result are"
        )
    if declared.requirements.missing:
        missing = ", ".join(declared.requirements.missing)
        yield f"not installed here, so requirements= in job.py lacks their versions: {missing}"
    if declared.left_out:
        names = ", ".join(flag for flag, _ in declared.left_out)
        yield f"no settings, as job.py says: {names}"
    guessed = [each.name for each in declared.settings if each.guessed]
    if guessed:
        yield f"the script wants these to be said; job.py has a guess: {', '.join(guessed)}"


def _answer(declared: Declaration, pieces: list[Piece], kept: list[str]) -> Answer:
    goal = f"goal={declared.goal}"
    steps = [command(f"plan {goal}"), command(f"run {goal}"), command("logs last -f")]
    data = {
        "training": declared.name,
        "goal": declared.goal,
        "written": sorted(each.name for each in pieces if not each.added),
        "added_to": sorted(each.name for each in pieces if each.added),
        "kept": kept,
        "left_out": [{"argument": each, "because": why} for each, why in declared.left_out],
        "guessed": [each.name for each in declared.settings if each.guessed],
        "missing": list(declared.requirements.missing),
        "next": steps,
    }
    lines = [f"  wrote     {name}" for name in data["written"]]
    lines += [f"  added to  {name}" for name in data["added_to"]]
    lines += [f"  kept      {name}" for name in kept]
    abouts = ("what would be done", "do it", "its log, from another terminal")
    width = max(map(len, steps))
    lines += [
        "",
        *(f"  {step:<{width}}   # {about}" for step, about in zip(steps, abouts, strict=True)),
    ]
    return Answer(data, "\n".join(lines))


INIT = Command(
    "init",
    "A job file, the pyproject entry and a skill for a script.",
    InitOptions,
    _init,
    "SCRIPT is read, never run: its argparse or click arguments become settings. In an empty "
    "folder an example script is written too. Nothing that is there is overwritten.",
)
