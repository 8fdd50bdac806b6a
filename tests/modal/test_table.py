"""The acceptance list: what happened to a predecessor, and the tests that make it happen again."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
NAMED = re.compile(r"^def test_((?:\d\d_)(?:and_\d\d_)*)\w+\(", re.MULTILINE)

SCRIPTS = "modal/test_incidents_of_scripts.py"

INCIDENTS = {
    1: ("Loss: 0.0000 for hours", f"modal/test_incidents.py {SCRIPTS}"),
    2: ("42 days of work in a 24 h slot", f"modal/test_incidents.py modal/test_money.py {SCRIPTS}"),
    3: ("run gone with the terminal", f"modal/test_incidents.py {SCRIPTS}"),
    4: ("the CI runner's limit cancelled it", "modal/test_incidents.py modal/test_cli.py"),
    5: ("unexpected extra argument", "docs/test_check.py docs/test_workflows.py"),
    6: ("No module named torch on the runner", "training/test_modal.py"),
    7: ("ModuleNotFoundError in the container", f"modal/test_image_incidents.py {SCRIPTS}"),
    8: ("missing module replaced by a stub", f"modal/test_image_incidents.py {SCRIPTS}"),
    9: ("No such file: data/cats", f"modal/test_volume_incidents.py {SCRIPTS}"),
    10: ("artifact missing, || true", "modal/test_volume_incidents.py"),
    11: (
        "authentication failed after 30 minutes",
        f"modal/test_incidents.py modal/test_cli.py {SCRIPTS}",
    ),
    12: ("checkpoints lost on failure", f"modal/test_incidents.py {SCRIPTS}"),
    13: ("retries began at step 0", f"modal/test_incidents.py {SCRIPTS}"),
    14: ("a preempted run said completed", f"modal/test_incidents.py {SCRIPTS}"),
    15: ("clean-up crashed on an early signal", f"modal/test_incidents.py {SCRIPTS}"),
    16: ("torn checkpoint", f"modal/test_incidents.py {SCRIPTS}"),
    17: ("checkpoints piled up", "modal/test_volume_incidents.py"),
    18: ("wget: command not found", "modal/test_image_incidents.py"),
    19: ("rebuild at each source change", "modal/test_image_incidents.py"),
    20: ("a documented API doesn't exist", "docs/test_check.py"),
    21: ("SUCCESS read as trained", f"modal/test_volume_incidents.py modal/test_cli.py {SCRIPTS}"),
    22: ("final loss = inf", f"modal/test_volume_incidents.py {SCRIPTS}"),
    23: ("a library's API moved", f"modal/test_image_incidents.py {SCRIPTS}"),
    24: ("invented prices", "modal/test_money.py"),
    25: ("paid twice", f"modal/test_launch.py modal/test_cli.py {SCRIPTS}"),
    26: ("state expired", f"modal/test_volume_incidents.py {SCRIPTS}"),
}


def test_each_of_the_26_incidents_has_a_test_named_after_it_where_the_table_says() -> None:
    found: dict[int, set[str]] = {}
    for path in TESTS.rglob("test_*.py"):
        for numbers in NAMED.findall(path.read_text(encoding="utf-8")):
            for number in re.findall(r"\d\d", numbers):
                place = path.relative_to(TESTS).as_posix()
                found.setdefault(int(number), set()).add(place)
    assert sorted(found) == sorted(INCIDENTS) == list(range(1, 27))
    assert found == {number: set(places.split()) for number, (_, places) in INCIDENTS.items()}
