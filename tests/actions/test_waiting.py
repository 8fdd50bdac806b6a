"""What a training waits for is said in fields; who follows leaves when his own patience is over."""

import pytest

from agents import api
from agents.errors import Unserved
from agents.ledger.history import run_histories
from agents.run.question import Question


def queued(kit, seconds):
    """Somebody else launched it, and it waits for its GPU since then."""
    kit.machine.attached = True
    kit.machine.told = {"since": seconds, "waits_for": "A10G"}

    def waits(machine, key):
        machine.state, machine.step = "queued", None

    kit.machine.ends.append(waits)


def asked(kit, **words):
    return Question(kit.catalogue, kit.catalogue.goal(kit.goal), kit.params(**words), kit.root)


def test_who_follows_leaves_when_his_own_queue_timeout_is_over_and_ends_nothing(kit):
    queued(kit, seconds=125.0)
    with pytest.raises(Unserved, match="since 2 min, longer than queue_timeout=60") as left:
        kit.run(queue_timeout="1m")
    assert (left.value.exit_code, left.value.name) == (3, "queue_timeout")
    assert "goes on waiting without us" in left.value.message
    assert kit.machine.state == "queued"


def test_what_is_waited_for_is_in_fields_of_status_and_show(kit):
    queued(kit, seconds=3600.0)
    with pytest.raises(Unserved):
        kit.run(queue_timeout="1m")
    key = kit.key()
    (work,) = api.status(asked(kit)).work
    assert (work.fact, work.what, work.state) == ("dit_trained", key, "queued")
    assert (work.waits_for, work.step, work.since is not None) == ("A10G", None, True)
    (run,) = run_histories(kit.events)
    (row,) = [step for step in api.shown(run).steps if step.step == "train"]
    assert row.work is not None
    assert (row.work.what, row.work.state, row.work.waits_for) == (key, "queued", "A10G")
    kit.machine.state, kit.machine.told = "running", {}
    assert [each.state for each in api.status(asked(kit)).work] == ["running"]
    kit.machine.state = "absent"
    assert api.status(asked(kit)).work == []
