"""The house: which room may know which, how long anything in it is, and what the engine never says.

Every rule has a list of present exceptions. An exception that is none any more fails as well, so
that the lists only shrink.
"""

import ast
import io
import re
import tokenize
from collections import defaultdict
from functools import cache
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("agents", "goals", "actions", "training")

MAY_IMPORT = {
    "agents": {"agents"},
    "training": {"training"},
    "goals": {"goals", "agents", "training"},
    "actions": {"actions", "goals", "agents", "training"},
}
COMPOSITION_ROOT = "agents.__main__"
DOORS = ("agents.cli", "agents.mcp", "agents.page")

LONGEST_FILE, LONGEST_FUNCTION = 350, 40

TOGETHER: dict[tuple[str, str], str] = {
    ("agents.cli", "agents.mcp"): "the command `mcp` starts the server, which is a door of its own",
    ("agents.declare", "agents.ledger"): "a payload holds the outcome of an action, and a trigger "
    "says which payloads fit it",
}
"""Rooms of the engine that know each other, and why that is right."""

STILL_TOGETHER: set[tuple[str, str]] = set()
"""Rooms that know each other and should not."""

LONG: dict[str, str] = {
    "training/contract.py": "one file, because it is copied alone, beside a script of anybody's",
}
"""Files that are longer, and why that is right."""

STILL_LONG_FILES: set[str] = set()

STILL_LONG_FUNCTIONS = {
    "agents/declare/actions.py action",
}

FOREIGN = {
    *("train", "trains", "trained", "training", "trainings", "trainer", "retrain", "untrained"),
    *("modal", "torch", "pytorch", "cuda", "tensorboard", "mlflow", "safetensors", "tensor"),
    *(
        "cat",
        "cats",
        "kitten",
        "breed",
        "breeds",
        "photo",
        "photos",
        "dit",
        "tinydit",
        "classifier",
    ),
    *("dataset", "datasets", "checkpoint", "checkpoints", "epoch", "epochs", "loss", "losses"),
    *("gpu", "gpus", "preset", "presets", "optimizer", "gradient", "hyperparameter", "ema"),
    *("catfaces", "inception", "loopback", "minibatch", "microbatch"),
}
"""What no word of the engine is about.

Some words look as if they belonged here and are the engine's own: a gate and a measurement are
what any action may report; a model is a class of pydantic; an image is a picture in a report; a
batch is several of anything; a volume and a weight stand for nothing here and are in no text.
"""

NAMES_OF_OTHERS = ("goap-modal-agents", "cat-file", "cat_file")
"""The distribution is called so, and that is a command of git."""

STILL_SAID: dict[str, set[str]] = {}
"""Module → words of others that it still says."""


TEXTS = {
    *(tokenize.NAME, tokenize.STRING, tokenize.COMMENT),
    getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING),  # from Python 3.12 on
}


@cache
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def modules(*packages):
    return [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def shown(path):
    return path.relative_to(ROOT).as_posix()


@cache
def imports(path):
    """Modules of ours that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{shown(path)} imports relative to itself"
            # what is imported from a package may be a module of it
            found |= {_module(node.module, alias.name) for alias in node.names}
    return frozenset(each for each in found if each.partition(".")[0] in PACKAGES)


def _module(package, name):
    folder = ROOT.joinpath(*package.split("."))
    inside = (folder / f"{name}.py").is_file() or (folder / name / "__init__.py").is_file()
    return f"{package}.{name}" if inside else package


def within(name, *rooms):
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def test_top_folders_know_each_other_one_way_and_only_the_composition_root_sees_everything():
    wrong = [
        (name_of(path), each)
        for package in PACKAGES
        for path in modules(package)
        for each in imports(path)
        if each.partition(".")[0] not in MAY_IMPORT[package] and name_of(path) != COMPOSITION_ROOT
    ]
    assert wrong == []


def test_the_api_is_imported_by_doors_alone_and_nobody_imports_a_door():
    wrong = []
    for path in modules(*PACKAGES):
        name = name_of(path)
        if name == COMPOSITION_ROOT:
            continue
        for each in imports(path):
            if each == "agents.api" and not within(name, *DOORS):
                wrong.append((name, each))
            if within(each, *DOORS) and not within(name, *DOORS):
                wrong.append((name, each))
    assert wrong == []


def test_what_is_learned_from_knows_neither_compute_nor_runner():
    wrong = [
        (name_of(path), each)
        for path in modules("training/learn")
        for each in imports(path)
        if within(each, "training.compute", "training.script")
    ]
    assert wrong == []


def test_what_reads_documents_imports_nothing_of_what_it_reads():
    known = {each for path in modules("agents/documents") for each in imports(path)}
    beside = {each for each in known if not within(each, "agents.documents")}
    assert beside == {"agents.declare.contributions", "agents.errors"}


def test_rooms_of_the_engine_do_not_know_each_other_in_circles():
    rooms = nx.DiGraph()
    for path in modules("agents"):
        if name_of(path) in ("agents", COMPOSITION_ROOT):
            continue
        room = _room(name_of(path))
        rooms.add_edges_from((room, _room(each)) for each in imports(path) if each != "agents")
    mutual = {(a, b) for a, b in rooms.edges if a < b and rooms.has_edge(b, a)}
    assert mutual == {*TOGETHER, *STILL_TOGETHER}
    rooms.remove_edges_from([*mutual, *((b, a) for a, b in mutual)])
    assert [set(each) for each in nx.strongly_connected_components(rooms) if len(each) > 1] == []


def _room(module):
    return ".".join(module.split(".")[:2])


def test_no_file_is_longer_than_one_idea():
    long = {
        shown(path)
        for path in modules(*PACKAGES, "benchmarks")
        if path.read_text(encoding="utf-8").count("\n") > LONGEST_FILE
    }
    assert long == {*LONG, *STILL_LONG_FILES}


def test_no_function_is_longer_than_one_idea():
    long = {
        f"{shown(path)} {node.name}"
        for path in modules(*PACKAGES)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION
    }
    assert long == STILL_LONG_FUNCTIONS


def words_of(text):
    """The words of a text or of a name: split where it is joined by ``_``, or by a capital."""
    for name in NAMES_OF_OTHERS:
        text = text.replace(name, "")
    split = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", text)
    return {word.lower() for word in re.findall(r"[A-Za-z]+", split)}


def said_in(path):
    """Every word of a module: of its names, texts, docstrings and comments, and of its own name."""
    words = words_of(path.stem)
    text = path.read_text(encoding="utf-8")
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in TEXTS:
            words |= words_of(token.string)
    return words


def test_no_word_of_the_engine_is_about_what_anybody_does_with_it():
    said = defaultdict(set)
    for path in modules("agents"):
        if name_of(path) != COMPOSITION_ROOT and said_in(path) & FOREIGN:
            said[shown(path)] = said_in(path) & FOREIGN
    assert said == STILL_SAID


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("dit_trained = 1", "trained"),
        ("class ModalProgram: ...", "modal"),
        ("fix = f'use {x} on a GPU'", "gpu"),
        ("# the loss is NaN", "loss"),
        ('def f():\n    """Prepare photos."""', "photos"),
    ],
)
def test_a_word_of_others_is_noticed_wherever_it_stands(tmp_path, code, word):
    path = tmp_path / "module.py"
    path.write_text(f"{code}\n", encoding="utf-8")
    assert word in said_in(path) & FOREIGN
