"""What raises says where: in the last line of the run, in the ledger, and in ``show --debug``."""

from dataclasses import replace

import pytest

from agents.cli.main import invoke
from agents.errors import GoapError
from agents.ledger.payloads import FactsObserved, StepFailed

WORD = "hunter2-hunter2"


def boom(_context):
    raise ValueError(f"the spoon of {WORD} is gone")


def line_of_boom():
    return f"test_where.py:{boom.__code__.co_firstlineno + 1}"


@pytest.fixture
def hidden(monkeypatch):
    from agents.ledger.redaction import hide_value

    hide_value(WORD)


def shown(kit, capsys, *words):
    assert invoke(lambda: kit.catalogue, ["show", "last", *words, f"state={kit.state}"]) == 0
    return capsys.readouterr().out


def test_an_action_that_raises_says_where_and_its_traceback_is_kept_without_secrets(
    kit, hidden, capsys
):
    kit.tea.fail("brew", *[boom] * 9)
    with pytest.raises(GoapError) as caught:
        kit.run()
    assert line_of_boom() in caught.value.message
    failed = next(each.payload for each in kit.events() if isinstance(each.payload, StepFailed))
    assert failed.traceback.startswith("Traceback (most recent call last)")
    assert line_of_boom().partition(":")[0] in failed.traceback
    assert WORD not in failed.traceback + failed.message
    assert line_of_boom() in shown(kit, capsys).splitlines()[-1]
    told = shown(kit, capsys, "--debug")
    assert "Traceback (most recent call last)" in told
    assert WORD not in told


def test_a_sensor_that_raises_says_where_and_its_traceback_is_kept(kit, hidden, capsys):
    kit.catalogue.sensors["hot"] = replace(kit.catalogue.sensors["hot"], look=boom)
    with pytest.raises(GoapError) as caught:
        kit.run()
    assert line_of_boom() in caught.value.message
    observed = [each.payload for each in kit.events() if isinstance(each.payload, FactsObserved)]
    assert any("ValueError" in text for each in observed for text in each.tracebacks.values())
    told = shown(kit, capsys, "--debug")
    assert "the sensor of hot raised" in told
    assert WORD not in told
