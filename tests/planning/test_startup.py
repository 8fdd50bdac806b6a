"""The planner stands alone."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_importing_the_planner_imports_nothing_heavy_and_nothing_else_of_ours() -> None:
    code = (
        "import sys, agents.planning\n"
        "first = {m: m.split('.')[0] for m in sys.modules}\n"
        "ours = {m for m in first if first[m] in {'agents', 'goals', 'actions', 'training'}}\n"
        "other = {m for m in ours if not m.startswith('agents.planning')}\n"
        "heavy = {'pydantic', 'torch', 'modal', 'numpy', 'git'} & set(sys.modules)\n"
        "print(sorted(other - {'agents', 'agents.errors'}), sorted(heavy))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[] []\n"
