"""A whole night in one run: five failures, a rebuilt image, a person who logs in late."""

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest

from actions import ACTIONS, SENSORS, Ports
from agents.cli.main import invoke
from agents.declare.catalogue import Catalogue
from agents.errors import ActionFailed, Interrupted, NotApproved, Unauthenticated
from agents.ledger.store import Ledger
from agents.run.pursuit import Pursuit
from agents.run.question import Question
from agents.run.reporter import Silent
from goals import GOALS, F
from training.compute.port import Auth
from training.errors import AuthenticationError, Unreachable
from training.store.volume import LocalVolume

OLD = "0123456789abcdef"


class FlakyVolume(LocalVolume):
    """A volume whose next commits fail."""

    failing = 0

    def commit(self):
        if self.failing:
            self.failing -= 1
            raise Unreachable("the volume does not answer")


@pytest.fixture
def volume(kit):
    return FlakyVolume(kit.volume)


@pytest.fixture
def catalogue(kit, volume):
    ports = Ports(kit.machine, volume, kit.volume)
    return Catalogue(F, SENSORS, ACTIONS, GOALS, lambda _params, _state: ports)


def pursue(kit, catalogue, compute="local", max_cost=None, wait=0.0, words=None, **options):
    goal = catalogue.goal(kit.goal)
    params = kit.params(compute=compute, **(words or {}))
    question = Question(catalogue, goal, params, kit.root, max_cost=max_cost, wait=wait)
    with Ledger(kit.root / "ledger.db") as ledger:
        pursuit = Pursuit(question, ledger, backoff=0.0, **options)
        try:
            return pursuit.run()
        finally:
            kit.events = ledger.events(run=pursuit.run_id)


def test_five_failures_in_one_run_are_recovered_from_without_a_person(
    kit, catalogue, volume, monkeypatch, capsys
):
    disk = {"full": False}
    for step in (2, 4, 6):
        kit.machine.checkpoint(OLD, step)
    old = kit.volume / "trainings" / OLD / "checkpoints"

    def usage(_path):
        crowded = disk["full"] and len(list(old.glob("step-*"))) > 1
        return type("Usage", (), {"free": 1e6 if crowded else 1e12})()

    def fills_the_disk(machine, key):
        disk["full"] = True
        kit.ends.fails("disk_full")(machine, key)

    monkeypatch.setattr("shutil.disk_usage", usage)
    volume.failing = 1
    kit.machine.ends += [
        fills_the_disk,
        kit.ends.fails("out_of_memory"),
        kit.ends.fails("loss_not_finite", step=8),
        kit.ends.is_killed(6),
    ]
    assert pursue(kit, catalogue).status == "done"
    failed = [each.data["name"] for each in kit.events if each.type == "step.failed"]
    assert failed == [
        "disk_full",
        "out_of_memory",
        "loss_not_finite",
        "training_interrupted",
        "unreachable",
    ]
    answers = [
        step for step in kit.started() if step in ("free_space", "halve_micro_batch", "roll_back")
    ]
    assert answers == ["free_space", "halve_micro_batch", "roll_back"]
    last = kit.machine.launches[-1][1]
    assert (last.micro_batch, last.lr_scale) == (2, 0.5)

    capsys.readouterr()
    assert (
        invoke(lambda: catalogue, ["show", "last", "--events", "--json", f"state={kit.root}"]) == 0
    )
    shown = json.loads(capsys.readouterr().out)["data"]
    assert (shown["status"], len(shown["failures"]), len(shown["plans"])) == ("done", 5, 6)
    told = [
        each["type"] for each in shown["events"] if each["type"] in ("plan.made", "step.failed")
    ]
    # each failure stands between the plan it ended and the plan that answers it
    assert told == ["plan.made", "step.failed"] * 5 + ["plan.made"]
    assert invoke(lambda: catalogue, ["show", "last", "--events", f"state={kit.root}"]) == 0
    story = capsys.readouterr().out
    assert story.count("✗ ") == story.count("planned again ") == 5
    assert "planned again" in story
    assert story.index("out_of_memory") < story.index("✓ halve_micro_batch")


def ends_alone(kit, catalogue):
    """A run that stops following; its training goes on and ends while nobody looks."""
    stop = threading.Event()

    def goes_on_alone(machine, _key):
        machine.state = "running"
        stop.set()

    kit.machine.ends += [goes_on_alone]
    with pytest.raises(Interrupted):
        pursue(kit, catalogue, stop=stop)
    kit.ends.completes(kit.machine, kit.machine.launches[0][0])


def test_a_training_that_ended_while_nobody_followed_it_is_recorded_by_the_next_run(kit, catalogue):
    ends_alone(kit, catalogue)
    assert pursue(kit, catalogue).status == "done"
    assert len(kit.machine.launches) == 1
    (finished,) = [
        each.data
        for each in kit.events
        if each.type == "step.finished" and each.data["action"] == "train"
    ]
    assert finished["outcome"]["gates"][0]["passed"] is True
    assert [path.name[:8] for path in (kit.root / "repo" / "plans").glob("ADR-*")] == ["ADR-001-"]


SAME_TRAINING = [
    {"threads": "2"},
    {"slice_seconds": "600"},
    {"micro_batch": "2"},
    {"steps": "010", "batch": "4"},
    {"learning_rate": "0.003", "seed": "0"},  # the preset's own
]


@pytest.mark.parametrize("words", SAME_TRAINING)
def test_a_training_that_ended_alone_is_recorded_however_the_next_run_goes_about_it(
    kit, catalogue, words
):
    ends_alone(kit, catalogue)
    assert pursue(kit, catalogue, words=words).status == "done"
    assert len(kit.machine.launches) == 1
    recalled = [each.data for each in kit.events if each.type == "step.started"]
    assert [each["step"] for each in recalled if each["recalled"]] == ["train"]


@pytest.mark.parametrize("words", SAME_TRAINING)
def test_what_was_spent_on_a_training_counts_however_the_next_run_goes_about_it(
    kit, catalogue, words
):
    """A run that ended by itself spent $3.50; who trains the same goes on from there."""
    kit.machine.name = "modal"
    price = {"low": 2.0, "expected": 2.0, "high": 2.0}
    rates = {"modal": {"usd_per_hour": price, "source": "a test", "seen": "today"}}
    (kit.root / "rates.json").write_text(json.dumps(rates), encoding="utf-8")
    now = [datetime(2026, 3, 1, tzinfo=UTC)]

    def after_a_while(seconds, end):
        def ends(machine, key):
            # half as long again passes here: the call waited for its turn, which costs nothing
            now[0] += timedelta(seconds=1.5 * seconds)
            machine.use(key, seconds)
            end(machine, key)

        return ends

    kit.machine.ends += [after_a_while(6300, kit.ends.misses_its_gate)]
    options = {"compute": "modal", "clock": lambda: now[0]}
    with pytest.raises(ActionFailed, match="did not pass its gate"):
        pursue(kit, catalogue, max_cost=100.0, **options)
    settled = {each.data["action"]: each.data for each in kit.events if "settled" in each.type}
    assert settled["train"]["usd"] == pytest.approx(3.5)
    assert settled["train"]["account"] == kit.machine.launches[0][0]
    (kit.volume / "trainings" / kit.machine.launches[0][0] / "verdict.json").unlink()
    with pytest.raises(NotApproved, match=r"\$3\.50"):
        pursue(kit, catalogue, max_cost=3.5, words=words, **options)
    assert len(kit.machine.launches) == 1
    kit.machine.ends += [after_a_while(1, kit.ends.completes)]
    assert pursue(kit, catalogue, max_cost=9.0, words=words, **options).status == "done"
    # another training has an account of its own
    kit.machine.ends += [after_a_while(1, kit.ends.completes)]
    assert pursue(kit, catalogue, max_cost=3.5, words={"seed": "7"}, **options).status == "done"


def test_an_image_that_a_training_found_incomplete_is_built_again_and_once_only(kit, catalogue):
    kit.machine.ends += [kit.ends.fails("image_incomplete")]
    pursue(kit, catalogue)
    assert kit.started().count("build_image") == 1
    assert len(kit.machine.launches) == 2
    assert kit.machine.asked.count("prove") == 1
    with Ledger(kit.root / "ledger.db") as ledger:
        refuted = [
            each.data["readings"]["image_built"]["evidence"]
            for each in ledger.events(types=("facts.observed",))
            if each.data["readings"]["image_built"]["value"] is False
        ]
    assert ["refuted by a training" in each for each in refuted] == [True]


def test_an_image_that_is_still_incomplete_after_building_is_given_up(kit, catalogue):
    kit.machine.ends += [kit.ends.fails("image_incomplete")] * 9
    with pytest.raises(ActionFailed, match="it was image_incomplete"):
        pursue(kit, catalogue)
    assert len(kit.machine.launches) == 2
    stalled = [each.data["tried"] for each in kit.events if each.type == "run.stalled"]
    assert stalled == [
        [{"action": "train", "class": "numeric", "name": "image_incomplete", "times": 2}]
    ]


class Person(Silent):
    """Does something when the run waits for a person."""

    def __init__(self, act):
        self.act = act
        self.asked = []

    def event(self, event):
        if event.type == "person.awaited":
            self.asked.append(event.data)
            self.act()


def test_a_run_waits_for_a_person_to_log_in_and_goes_on_by_itself(kit, catalogue):
    kit.machine.auth = None
    kit.machine.accepted = AuthenticationError("the token expired", fix="modal token new")

    def log_in():
        kit.machine.auth = kit.machine.accepted = Auth(True, "accepted")

    person = Person(log_in)
    assert pursue(kit, catalogue, wait=60.0, poll=0.01, reporter=person).status == "done"
    assert person.asked == [
        {"message": "the token expired", "fix": "modal token new", "seconds": 60.0}
    ]


def test_a_log_in_that_no_sensor_shows_is_found_by_asking_again_now_and_then(kit, catalogue):
    kit.machine.auth = None
    kit.machine.accepted = AuthenticationError("the token expired", fix="modal token new")

    def log_in():
        kit.machine.accepted = Auth(True, "accepted")

    assert pursue(kit, catalogue, wait=60.0, poll=0.01, reporter=Person(log_in)).status == "done"
    assert kit.machine.asked.count("check_auth") == 2


def test_nobody_is_waited_for_longer_than_was_asked(kit, catalogue):
    kit.machine.auth = None
    kit.machine.accepted = AuthenticationError("the token expired", fix="modal token new")
    with pytest.raises(Unauthenticated) as caught:
        pursue(kit, catalogue, wait=0.3, poll=0.01)
    assert (caught.value.exit_code, caught.value.fix) == (8, "modal token new")
    assert 2 <= kit.machine.asked.count("check_auth") <= 5


def test_a_training_that_costs_more_than_the_cap_is_stopped_and_told_to_stop_by_itself(
    kit, catalogue
):
    kit.machine.name = "modal"
    price = {"low": 1.0, "expected": 2.0, "high": 3.0}
    rates = {"modal": {"usd_per_hour": price, "source": "a test", "seen": "today"}}
    (kit.root / "rates.json").write_text(json.dumps(rates), encoding="utf-8")
    now = [datetime(2026, 3, 1, tzinfo=UTC)]

    def goes_on_for_an_hour(machine, key):
        machine.state = "running"
        machine.use(key, 3600.0)

    kit.machine.ends += [goes_on_for_an_hour]
    with pytest.raises(NotApproved, match=r"train ran as long as \$2.00 pay for"):
        pursue(kit, catalogue, max_cost=2.0, clock=lambda: now[0], compute="modal")
    assert kit.machine.state == "stopped"
    # should nobody be left to stop it, it does so by itself: $2 at $3 an hour, and time to save
    deadline = kit.machine.launches[0][1].deadline_seconds
    assert 0.9 * 2400 < deadline < 2400
    pursue(kit, catalogue, max_cost=9999.0, compute="modal")
    assert kit.machine.launches[1][1].deadline_seconds > 1e6


def test_a_cap_travels_with_its_call_and_the_next_call_has_that_of_its_own_command(kit, catalogue):
    kit.machine.name = "modal"
    price = dict.fromkeys(("low", "expected", "high"), 2.0)
    rates = {"modal": {"usd_per_hour": price, "source": "a test", "seen": "today"}}
    (kit.root / "rates.json").write_text(json.dumps(rates), encoding="utf-8")

    def runs_out(machine, key):
        machine.use(key, 3600.0)
        kit.ends.is_killed(4)(machine, key)

    kit.machine.ends += [runs_out, kit.ends.completes]
    with pytest.raises((ActionFailed, NotApproved)):
        pursue(kit, catalogue, max_cost=2.0, compute="modal")
    assert pursue(kit, catalogue, max_cost=100_000.0, compute="modal").status == "done"
    (key, first), (_, second) = kit.machine.launches
    assert first.deadline_seconds <= 3600
    assert second.deadline_seconds > 100_000_000
    assert not (kit.volume / "trainings" / key / "adjustments.json").exists()
