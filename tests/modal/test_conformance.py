"""The conformance table of the rehearsal plane has a row for whatever the plane does."""

import re
from pathlib import Path

from modal_proto.api_grpc import ModalClientBase

from training.compute.loopback import (
    __main__ as command_line,
)
from training.compute.loopback import container, faults, server
from training.compute.loopback.rpc import method_of

TABLE = Path(server.__file__).with_name("README.md").read_text(encoding="utf-8")
ROWS = [line for line in TABLE.splitlines() if line.startswith("| ")]


def first_cells() -> str:
    return "\n".join(row.split(" | ")[0] for row in ROWS)


def test_each_rpc_that_is_answered_has_a_row_and_no_other_has() -> None:
    every = {name: method_of(name) for name in ModalClientBase.__abstractmethods__}
    answered = {
        name
        for name, method in every.items()
        if any(hasattr(each, method) for each in server.ANSWERS)
    }
    rows = set(re.findall(r"`([A-Za-z0-9]+)`", first_cells())) & set(every)
    assert rows == answered


def test_each_switch_has_a_row() -> None:
    named = set(re.findall(r"`(\w+)", first_cells()))
    assert set(command_line.WORDS) - named == set()
    kinds = set(re.findall(r"kind=(\w+)", first_cells()))
    assert kinds == set(faults.Fault.__annotations__["kind"].__args__)
    fates = set(re.findall(r"fate=(\w+)", first_cells()))
    assert fates == set(container.Fate.__args__)  # type: ignore[attr-defined]


def test_each_behaviour_has_a_source_and_says_what_it_is_based_on() -> None:
    begin = TABLE.index("## Conformance")
    for row in [row for row in ROWS if TABLE.index(row) > begin][1:]:
        *_, basis = row.strip("| ").split("|")
        words = (
            "accepted",
            "documented",
            "client code",
            "seen",
            "assumed",
            "differs",
            "absent",
            "kept",
        )
        assert any(word in basis for word in words) or basis.strip() in ("basis", "---"), row
