"""How much there is to read: lines of code per room, and how long files and functions are.

A line of code holds neither a comment, a docstring nor nothing. A room is a folder with modules.

    python benchmarks/lines.py                  # this checkout
    python benchmarks/lines.py OLD              # another one
    python benchmarks/lines.py OLD NEW          # side by side
"""

import argparse
import ast
import io
import subprocess
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

PACKAGES = ("agents", "goals", "actions", "training", "templates", "tests", "benchmarks")
NO_CODE = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT),
    *(tokenize.ENCODING, tokenize.ENDMARKER),
}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
HOLDERS = (ast.Module, ast.ClassDef, *FUNCTIONS)


@dataclass
class Room:
    """What one folder holds."""

    code: int = 0
    files: list[int] = field(default_factory=list)
    functions: list[int] = field(default_factory=list)

    def add(self, other: "Room") -> None:
        """Count another room's lines here as well."""
        self.code += other.code
        self.files += other.files
        self.functions += other.functions


def rooms(root: Path) -> dict[str, Room]:
    """Folder → what it holds, for every folder of a checkout with modules in it."""
    measured: dict[str, Room] = defaultdict(Room)
    for path in modules(root):
        name = path.parent.relative_to(root).as_posix()
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        room = measured[name]
        room.code += len(code_lines(text, tree))
        room.files.append(text.count("\n"))
        room.functions += [length(node) for node in ast.walk(tree) if isinstance(node, FUNCTIONS)]
    return dict(sorted(measured.items()))


def modules(root: Path) -> Iterator[Path]:
    """The modules git knows, or all where there is no git."""
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=False,
    )
    names = [Path(name) for name in listed.stdout.split("\0") if name]
    if listed.returncode != 0:
        names = [path.relative_to(root) for path in root.rglob("*.py")]
    for name in sorted(names):
        if name.suffix == ".py" and name.parts[0] in PACKAGES and (root / name).is_file():
            yield root / name


def code_lines(text: str, tree: ast.Module) -> set[int]:
    """Numbers of the lines that hold code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NO_CODE:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(tree):
        body = node.body if isinstance(node, HOLDERS) else []
        # a text that stands alone: a docstring, also of an attribute
        texts = [each for each in body if isinstance(each, ast.Expr) and _is_text(each.value)]
        for each in texts:
            lines -= set(range(each.lineno, (each.end_lineno or each.lineno) + 1))
    return lines


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function, with its signature and docstring."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def percentile(numbers: Iterable[int], share: float) -> int:
    """The smallest number that at least ``share`` of them do not pass; 0 of none."""
    ordered = sorted(numbers)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0


def table(root: Path) -> list[str]:
    """The rooms of one checkout, as a table in Markdown."""
    measured, total = rooms(root), Room()
    lines = [
        "| room | files | code | file p50 | p90 | functions | p50 | p90 | longest |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, room in measured.items():
        total.add(room)
        lines.append(_row(f"`{name}/`", room))
    return [*lines, _row("all", total)]


def _row(name: str, room: Room) -> str:
    numbers = [
        *(len(room.files), room.code, percentile(room.files, 0.5), percentile(room.files, 0.9)),
        *(len(room.functions), percentile(room.functions, 0.5), percentile(room.functions, 0.9)),
        max(room.functions, default=0),
    ]
    return f"| {name} | " + " | ".join(f"{number:,}" for number in numbers) + " |"


def compared(old: Path, new: Path) -> list[str]:
    """Files and lines of code per room, before and after."""
    before, after = rooms(old), rooms(new)
    lines = ["| room | files | | code | | |", "|---|---:|---:|---:|---:|---:|"]
    for name in (*sorted({*before, *after}), ""):
        pair = [_of(each, name) for each in (before, after)]
        change = pair[1].code - pair[0].code
        shown = f"`{name}/`" if name else "all"
        files = " | ".join(f"{len(room.files)}" for room in pair)
        code = " | ".join(f"{room.code:,}" for room in pair)
        lines.append(f"| {shown} | {files} | {code} | {change:+,} |")
    return lines


def _of(measured: dict[str, Room], name: str) -> Room:
    if name:
        return measured.get(name, Room())
    total = Room()
    for room in measured.values():
        total.add(room)
    return total


def main() -> int:
    """Print the table of one checkout, or of two side by side."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("checkout", nargs="*", type=Path, default=[Path(__file__).parents[1]])
    checkouts = parser.parse_args().checkout
    lines = table(checkouts[0]) if len(checkouts) == 1 else compared(*checkouts[:2])
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
