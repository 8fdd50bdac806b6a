"""What a person sees while a run goes on, between its events too."""

import io
import re
import time

from rich.console import Console

from agents.cli.tree import TreeReporter
from agents.declare.actions import Progress
from agents.ledger.events import new_event
from agents.ledger.payloads import PlanMade, StepStarted, StepVerified
from agents.ledger.payloads.runs import PlanStep

SECONDS = 60


def until(screen, holds):
    deadline = time.monotonic() + SECONDS
    while not holds(screen.getvalue()):
        assert time.monotonic() < deadline, screen.getvalue()[-2000:]
        time.sleep(0.02)


def test_the_time_of_a_step_goes_on_between_events_and_what_is_left_is_shown():
    screen = io.StringIO()
    steps = ("fill", "boil", "brew", "pour")
    plan = PlanMade(
        digest="0" * 64,
        steps=tuple(
            PlanStep(id=name, action=name, after=steps[:number][-1:], seconds=60.0)
            for number, name in enumerate(steps)
        ),
    )
    with TreeReporter(Console(file=screen, force_terminal=True, width=120)) as reporter:
        for payload in (
            plan,
            StepVerified(step="fill", action="fill"),
            StepStarted(step="boil", action="boil", expected_seconds=30.0),
        ):
            reporter.event(new_event(payload, run="r1"))
        until(screen, lambda seen: len(set(re.findall(r"boil.*?(\d\.\d) s", seen))) >= 3)
        assert "then brew, pour · about 2 min" in screen.getvalue()
        reporter.progress("boil", Progress(1, 2, "warm", eta_seconds=5.0))
        until(screen, lambda seen: "about 2 min 05 s left" in seen and "1/2" in seen)
