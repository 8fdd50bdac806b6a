"""What pyproject.toml cannot say: the wheel holds files that lie outside of its packages here.

``constraints.txt`` and ``.agents/skills/`` have their one place at the top, where people and agents
look for them; in a wheel they lie inside of packages, where the installed program finds them.
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


def extra_files() -> dict[str, Path]:
    """Where a file lies in the wheel → where it lies here."""
    skills = ROOT / ".agents" / "skills"
    return {
        "training/constraints.txt": ROOT / "constraints.txt",
        **{
            f"templates/skills/{path.relative_to(skills).as_posix()}": path
            for path in sorted(skills.rglob("*"))
            if path.is_file() and "evals" not in path.parts
        },
    }


class BuildWithFiles(build_py):
    """Copies the extra files beside the modules; not in development, where they lie here."""

    def run(self) -> None:
        """Build as usual, then copy."""
        super().run()
        if self.editable_mode:
            return
        for name, source in extra_files().items():
            target = Path(self.build_lib, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            self.copy_file(str(source), str(target), preserve_mode=False)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """The files that were made; setuptools asks for them."""
        extra = [] if self.editable_mode else [str(Path(self.build_lib, x)) for x in extra_files()]
        return [*super().get_outputs(include_bytecode), *extra]


setup(cmdclass={"build_py": BuildWithFiles})
