"""Python that pages quote: whole blocks, and names in code spans."""

import ast
import re
from collections.abc import Iterator

from agents.documents.bare import bare_names
from agents.documents.findings import Finding
from agents.documents.names import UNSURE, Names, member
from agents.documents.page import CodeBlock, Page
from agents.documents.project import Project

__all__ = ["check_apis"]

_DOTTED = re.compile(r"(?<![\w./@-])[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+(?![\w/-])")
_DOCTEST = re.compile(r"^(?:>>>|\.\.\.) ?", re.MULTILINE)
NO_API = (
    *("py", "md", "toml", "json", "jsonl", "yml", "yaml", "txt", "log", "cfg", "ini", "sh", "j2"),
    *("html", "css", "js", "svg", "png", "jpg", "db", "lock", "pt", "csv", "ipynb"),
    *("com", "org", "net", "dev", "io", "ai"),
)
"""What follows the last dot of a file or of a site."""


def check_apis(page: Page, project: Project) -> Iterator[Finding]:
    """Names of installed packages that are not there."""
    path = page.path.resolve()
    shown = (
        path.relative_to(project.root).as_posix()
        if path.is_relative_to(project.root)
        else str(path)
    )
    for block in page.python():
        for line, name, message in _check_block(block, project.packages):
            yield Finding(shown, line, "api", name, message)
    for span in page.spans:
        for _, name, message in _check_span(span.text, project):
            yield Finding(shown, span.line, "api", name, message)


def _check_block(block: CodeBlock, packages: frozenset[str]) -> list[tuple[int, str, str]]:
    names = Names(packages)
    text = block.text
    if ">>>" in text:
        kept = [line if _DOCTEST.match(line) else "" for line in text.split("\n")]
        text = _DOCTEST.sub("", "\n".join(kept))
    try:
        tree = ast.parse(text)
    except SyntaxError:  # a fragment: its dotted names are still names
        return [
            (block.line + number, name, message)
            for number, line in enumerate(text.split("\n"))
            for _, name, message in _check_dotted(line.partition("#")[0], packages)
        ]
    _Reader(names).visit(tree)
    return [(block.line + line - 1, name, message) for line, name, message in names.problems]


class _Reader(ast.NodeVisitor):
    """Follows imports and assignments of a module, in order."""

    def __init__(self, names: Names) -> None:
        self.names = names

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            module = self._imported(node.lineno, alias.name)
            if alias.asname:
                self.names.known[alias.asname] = module

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = self._imported(node.lineno, node.module) if node.module else UNSURE
        for alias in node.names:
            imported = member(module, alias.name) if module is not UNSURE else (UNSURE,)
            if imported is None:
                name = f"{node.module}.{alias.name}"
                self.names.problems.append((node.lineno, name, f"there is no {name}"))
            self.names.known[alias.asname or alias.name] = imported[0] if imported else UNSURE

    def visit_Assign(self, node: ast.Assign) -> None:
        value = self.names.evaluate(node.value)
        for target in node.targets:
            for name in ast.walk(target):
                if isinstance(name, ast.Name):
                    self.names.known[name.id] = value if name is target else UNSURE

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for decorator in node.decorator_list:
            self.names.evaluate(decorator)
        for argument in (*node.args.args, *node.args.kwonlyargs):
            self.names.known[argument.arg] = UNSURE
        self.names.known[node.name] = UNSURE
        for statement in node.body:
            self.visit(statement)

    def generic_visit(self, node: ast.AST) -> None:
        """Expressions are evaluated; everything else is looked into."""
        if isinstance(node, ast.expr):
            self.names.evaluate(node)
            return
        for name in ast.walk(node) if isinstance(node, ast.For | ast.With) else ():
            if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store):
                self.names.known[name.id] = UNSURE
        super().generic_visit(node)

    def _imported(self, line: int, name: str) -> object:
        top, *parts = name.split(".")
        module = self.names.module(top)
        for part in parts:
            if module is UNSURE:
                return UNSURE
            step = member(module, part)
            if step is None:
                self.names.problems.append((line, name, f"there is no module {name}"))
                return UNSURE
            module = step[0]
        return module


def _check_span(text: str, project: Project) -> list[tuple[int, str, str]]:
    """A code span: an expression where it reads as one, else the dotted names in it."""
    names = Names(project.packages)
    try:
        tree = ast.parse(text.strip().removeprefix("@"), mode="eval")
    except SyntaxError:
        return _check_dotted(text, project.packages)
    if not isinstance(tree.body, ast.Attribute | ast.Call):
        return []
    if _looks_like_a_file(text) or text in project.words:
        return []
    names.known |= bare_names(tree.body, project)
    names.evaluate(tree.body)
    return names.problems


def _check_dotted(text: str, packages: frozenset[str]) -> list[tuple[int, str, str]]:
    problems = []
    for dotted in _DOTTED.findall(text):
        names = Names(packages)
        if not _looks_like_a_file(dotted):
            names.evaluate(ast.parse(dotted, mode="eval").body)
        problems += names.problems
    return problems


def _looks_like_a_file(text: str) -> bool:
    return text.strip().rpartition(".")[2] in NO_API
