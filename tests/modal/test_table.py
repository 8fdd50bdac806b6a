"""The acceptance list: what happened to a predecessor, and the tests that make it happen again."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
NAMED = re.compile(r"test_((?:\d\d_)(?:and_\d\d_)*)\w+")

SCRIPTS = "modal/test_incidents_of_scripts.py"

INCIDENTS = {
    1: ("Loss: 0.0000 for hours", SCRIPTS),
    2: (
        "42 days of work in a 24 h slot",
        f"modal/test_money.py trained/test_interrupted.py {SCRIPTS}",
    ),
    3: ("run gone with the terminal", f"training/test_compute.py {SCRIPTS}"),
    4: (
        "the CI runner's limit cancelled it",
        f"modal/test_cli.py trained/test_interrupted.py {SCRIPTS}",
    ),
    5: ("unexpected extra argument", "docs/test_check.py docs/test_workflows.py"),
    6: ("No module named torch on the runner", "training/test_modal.py"),
    7: ("ModuleNotFoundError in the container", SCRIPTS),
    8: (
        "missing module replaced by a stub",
        f"modal/test_image_incidents.py trained/test_recoveries.py {SCRIPTS}",
    ),
    9: ("No such file: data/cats", SCRIPTS),
    10: ("artifact missing, || true", "modal/test_volume_incidents.py trained/test_recoveries.py"),
    11: ("authentication failed after 30 minutes", f"modal/test_cli.py {SCRIPTS}"),
    12: ("checkpoints lost on failure", f"modal/test_incidents.py {SCRIPTS}"),
    13: ("retries began at step 0", SCRIPTS),
    14: ("a preempted run said completed", "modal/test_any_training.py"),
    15: ("clean-up crashed on an early signal", SCRIPTS),
    16: ("torn checkpoint", f"modal/test_incidents.py {SCRIPTS}"),
    17: ("checkpoints piled up", "modal/test_volume_incidents.py runner/test_carry.py"),
    18: ("wget: command not found", "modal/test_image_incidents.py modal/test_options.py"),
    19: (
        "rebuild at each source change",
        "modal/test_image_incidents.py modal/test_any_training.py",
    ),
    20: ("a documented API doesn't exist", "docs/test_check.py"),
    21: ("SUCCESS read as trained", f"modal/test_cli.py {SCRIPTS}"),
    22: ("final loss = inf", SCRIPTS),
    23: ("a library's API moved", SCRIPTS),
    24: ("invented prices", "modal/test_money.py"),
    25: (
        "paid twice",
        f"modal/test_launch.py modal/test_cli.py modal/test_any_training.py {SCRIPTS}",
    ),
    26: ("state expired", f"modal/test_any_training.py {SCRIPTS}"),
}


def named() -> Iterator[tuple[int, str, bool]]:
    """Incident, file and whether it is in the quick suite, of each test named after one."""
    for path in TESTS.rglob("test_*.py"):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        slow = any("slow" in ast.unparse(node) for node in body if sets_marks(node))
        for node in body:
            if isinstance(node, ast.FunctionDef) and (name := NAMED.fullmatch(node.name)):
                late = slow or any("slow" in ast.unparse(each) for each in node.decorator_list)
                for number in re.findall(r"\d\d", name[1]):
                    yield int(number), path.relative_to(TESTS).as_posix(), not late


def sets_marks(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"


def test_each_of_the_26_incidents_has_a_test_named_after_it_where_the_table_says() -> None:
    found: dict[int, set[str]] = {}
    for number, place, _quick in named():
        found.setdefault(number, set()).add(place)
    assert sorted(found) == sorted(INCIDENTS) == list(range(1, 27))
    assert found == {number: set(places.split()) for number, (_, places) in INCIDENTS.items()}


def test_each_incident_is_met_by_the_quick_suite() -> None:
    quick = {number for number, _place, quick in named() if quick}
    assert sorted(quick) == sorted(INCIDENTS)
