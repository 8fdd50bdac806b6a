"""What a training script is made of: its arguments, the files beside it that it uses, its imports.

It is read, never imported or run.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from actions.init.arguments import Argument, arguments_of
from agents.errors import UsageError

__all__ = ["CONTRACT_COPY", "Script", "read_script"]

CONTRACT_COPY = "goap_contract.py"
_CONTRACT = ("training.contract", "goap_contract")
_FILE_NAME = re.compile(r"[\w.-]+(/[\w.-]+)*\.\w{1,8}")
_BY_SUFFIX = {".py": "python", ".sh": "bash"}


@dataclass(frozen=True)
class Script:
    """A script as reading shows it.

    Attributes:
        path: Relative to the folder of the job, with forward slashes.
        arguments: What its command line takes.
        files: The script, and what lies beside it that it uses: modules and files it names.
        imports: Top-level names of what it imports that is neither Python's nor its own.
        uses_contract: Whether it works by the contract's module or variables.
        measures: Numbers that it reports when it ends, by name.
    """

    path: str
    arguments: tuple[Argument, ...] = ()
    files: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    uses_contract: bool = False
    measures: tuple[str, ...] = ()

    @property
    def words(self) -> list[str]:
        """The words that start it; a file that is started by itself says how in its first line."""
        program = _BY_SUFFIX.get(Path(self.path).suffix)
        return [program, self.path] if program else [f"./{self.path}"]


def read_script(folder: Path, path: Path) -> Script:
    """Read a script, and the modules beside it that it imports.

    Args:
        folder: Of the job.
        path: The script, below the folder.

    Raises:
        UsageError: It is not there, not below the folder, or no Python where it should be.
    """
    name = _below(folder, path)
    text = _text(folder / name)
    if path.suffix != ".py":
        return Script(name, files=(name,), uses_contract="GOAP_RUN_DIR" in text)
    modules = _modules(folder, name)
    trees = list(modules.values())
    arguments: dict[str, Argument] = {}
    for tree in trees:
        for argument in arguments_of(tree):
            arguments.setdefault(argument.name, argument)
    imported = {each for tree in trees for each in _imports(tree)}
    texts = {each for tree in trees for each in _strings(tree)}
    own = {Path(each).parts[0].removesuffix(".py") for each in modules}
    files = {_module_file(each) for each in modules} | set(_named(folder, texts))
    return Script(
        name,
        arguments=tuple(arguments.values()),
        files=(name, *sorted(each for each in files - {name} if not _is_inside(each, files))),
        imports=tuple(sorted(_foreign(imported) - own)),
        uses_contract=bool(imported & set(_CONTRACT)) or "GOAP_RUN_DIR" in texts,
        measures=tuple(dict.fromkeys(each for tree in trees for each in _measures(tree))),
    )


def _below(folder: Path, path: Path) -> str:
    target = (folder / path).resolve()
    if not target.is_file():
        raise UsageError(f"there is no script {path}", fix="name one that is there, or none")
    try:
        return target.relative_to(folder.resolve()).as_posix()
    except ValueError:
        raise UsageError(
            f"{path} is not below {folder.resolve()}, where the job is to be",
            fix=f"cd {target.parent}",
        ) from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", fix=f"ls -l {path}") from None


def _modules(folder: Path, script: str) -> dict[str, ast.Module]:
    """The script and the modules of the folder that it imports, also over others, by path."""
    found: dict[str, ast.Module] = {}
    left = [script]
    while left:
        name = left.pop(0)
        if name in found:
            continue
        found[name] = _parsed(folder, name)
        beside = (folder / script).parent
        for module in _imports(found[name]):
            left += [
                path.resolve().relative_to(folder.resolve()).as_posix()
                for path in _files_of(beside, module)
                if path.resolve().is_relative_to(folder.resolve())
            ]
    return found


def _parsed(folder: Path, name: str) -> ast.Module:
    try:
        return ast.parse(_text(folder / name))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise UsageError(f"{name}:{line}: {error}", fix=f"mend {name}") from None


def _files_of(beside: Path, module: str) -> Iterator[Path]:
    """The files that a dotted module is, where it lies beside the script: packages too."""
    parts = module.split(".")
    for count in range(1, len(parts) + 1):
        place = beside.joinpath(*parts[:count])
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if path.is_file():
                yield path


def _module_file(name: str) -> str:
    """What to ship of a module: a package is shipped whole."""
    return Path(name).parent.as_posix() if Path(name).name == "__init__.py" else name


def _is_inside(name: str, files: set[str]) -> bool:
    """Whether a folder that is shipped holds it."""
    return any(parent.as_posix() in files for parent in Path(name).parents)


def _imports(tree: ast.Module) -> set[str]:
    """Dotted names of what a module imports; a name in a package may be a module of it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def _foreign(imported: set[str]) -> set[str]:
    """The packages that have to be installed: neither Python's nor the contract."""
    names = {each.partition(".")[0] for each in imported if not each.startswith(_CONTRACT)}
    return names - set(sys.stdlib_module_names)


def _strings(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _named(folder: Path, texts: set[str]) -> Iterator[str]:
    """The texts that name a file of the folder."""
    for text in texts:
        if (
            _FILE_NAME.fullmatch(text)
            and ".." not in Path(text).parts
            and (folder / text).is_file()
        ):
            yield Path(text).as_posix()


def _measures(tree: ast.Module) -> Iterator[str]:
    """The numbers of ``run.finish(val_loss=…)``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if node.func.attr == "finish" and isinstance(owner, ast.Name) and owner.id == "run":
                yield from (each.arg for each in node.keywords if each.arg)
