"""The lock of a state directory, and what is said about a directory that cannot be used."""

import os

import pytest

from agents.errors import Locked, UsageError
from agents.run.lock import exclusive


def test_the_holder_is_named_to_whoever_comes_second(tmp_path):
    with (
        exclusive(tmp_path / "state", {"run": "r1", "goal": "served"}),
        pytest.raises(Locked, match=rf"pid {os.getpid()}, run r1, served"),
        exclusive(tmp_path / "state", {"run": "r2"}),
    ):
        pass
    with exclusive(tmp_path / "state", {"run": "r3"}):
        pass


@pytest.mark.parametrize("below", [".", "deeper/still"])
def test_a_file_in_the_place_of_the_state_directory_is_a_usage_error(tmp_path, below):
    (tmp_path / "state").write_text("a file", encoding="utf-8")
    with (
        pytest.raises(UsageError, match="cannot be used") as caught,
        exclusive(tmp_path / "state" / below, {}),
    ):
        pass
    assert "state=DIR" in caught.value.fix
