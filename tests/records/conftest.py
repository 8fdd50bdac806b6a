"""A story told to a real ledger, and real git repositories to write its records in."""

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agents.declare.outcome import Artifact, Decision, Measurement, Outcome, Verdict
from agents.ledger.events import Event, new_event
from agents.ledger.payloads import payload_of
from agents.ledger.store import Ledger

sys.path.insert(0, str(Path(__file__).parent))  # the helper module next to the tests

START = datetime(2026, 2, 28, 12, 45, 30, tzinfo=UTC)


class Story:
    """Writes runs into a ledger as the engine does; time and ids are fixed."""

    def __init__(self, ledger: Ledger, name: str = "a", start: datetime = START) -> None:
        self.ledger = ledger
        self.name = name
        self.moment = start
        self.count = 0

    @property
    def events(self) -> list[Event]:
        """Everything that was told so far."""
        return self.ledger.events()

    def tell(self, type_: str, run: str, data: dict[str, Any], seconds: float = 1.0) -> Event:
        """Append one event."""
        self.moment += timedelta(seconds=seconds)
        self.count += 1
        id_ = hashlib.sha256(f"{self.name} {self.count}".encode()).hexdigest()[:32]
        moment = self.moment
        return self.ledger.append(
            new_event(payload_of(type_, data), run=run, id=id_, clock=lambda: moment)
        )

    def begin(self, run: str, goal: str = "trained_dit", **params: Any) -> None:
        """A run starts and plans."""
        git = {"commit": "c0ffee" * 6 + "abcd", "dirty": True, "branch": "main"}
        data = {"goal": goal, "what": params or {"preset": "tiny"}, "pid": 4711}
        self.tell("run.started", run, {**data, "provenance": {"git": git}, "version": "0.1.0"})
        self.tell("plan.made", run, {"digest": "d1", "seconds": 90.0, "steps": [], "because": ""})

    def finish_step(self, run: str, action: str, outcome: Outcome, seconds: float = 34.5) -> Event:
        """A step starts, finishes and is verified."""
        self.tell("step.started", run, {"step": action, "action": action, "attempt": 1})
        data = {"step": action, "action": action, "seconds": seconds}
        event = self.tell(
            "step.finished", run, {**data, "outcome": outcome.model_dump(mode="json")}, seconds
        )
        if outcome.passed:
            self.tell("step.verified", run, {"step": action, "action": action, "facts": {}})
        return event

    def fail_step(
        self,
        run: str,
        action: str,
        message: str,
        *,
        name: str = "failed",
        failure_class: str = "unknown",
        fix: str = "",
    ) -> Event:
        """A step starts and fails."""
        self.tell("step.started", run, {"step": action, "action": action, "attempt": 1})
        data = {"step": action, "action": action, "class": failure_class, "name": name}
        return self.tell("step.failed", run, {**data, "message": message, "fix": fix})

    def end(self, run: str, status: str = "done", exit_code: int = 0) -> None:
        """The run ends."""
        self.tell("run.finished", run, {"status": status, "exit_code": exit_code})

    def train(self, run: str, *, documents: bool = True, **changes: Any) -> Event:
        """A whole run that trains, commits and writes its records."""
        self.begin(run)
        event = self.finish_step(run, "train", trained(run, **changes))
        key = {"training_key": f"key-{run}"}
        size = Measurement(name="bytes", value=4096, unit="B", source="commits/key.json")
        commit = Outcome(summary="3 files verified", measurements=(size,), provenance=key)
        self.finish_step(run, "commit_volume", commit, 1.25)
        if documents:
            self.finish_step(run, "update_docs", Outcome(summary="records"), 0.2)
            self.end(run)
        return event


def trained(
    run: str,
    *,
    loss: float = 0.41803,
    decision: str = "Use the checkpoint named under Evidence.",
    key: str = "promote:dit:catfaces64",
    decided: bool = True,
    **changes: Any,
) -> Outcome:
    """What the action train reports."""
    result = f"trainings/key-{run}/result.json"
    correlation = changes.pop("correlation", 0.91)
    outcome = Outcome(
        summary=f"dit 2,000 steps on catfaces64, loss {loss:.4f}",
        measurements=(
            Measurement(name="steps", value=2000, unit="steps", source=result),
            Measurement(name="loss_final", value=loss, source=result),
            Measurement(name="images_per_second", value=571.25, unit="images/s", source=result),
        ),
        artifacts=(
            Artifact(name="result", path=result, sha256="ab" * 32, bytes=1812),
            Artifact(name="samples", path=f"trainings/key-{run}/grid.png", sha256="12" * 32),
        ),
        gates=(
            Verdict(
                name="not_noise",
                metric="neighbour_correlation",
                threshold=0.5,
                direction=">=",
                value=correlation,
                passed=correlation >= 0.5,
            ),
        ),
        provenance={
            "training_key": f"key-{run}",
            "config_digest": "9c" * 8,
            "dataset_digest": "7d" * 8,
            "source_digest": "5e" * 8,
            "device": "cpu",
            "compute": "local",
            "started": "2026-02-28T12:45:40Z",
            "ended": f"2026-02-28T12:46:14Z {run}",
        },
        decision=Decision(
            key=key,
            title="Promote a dit trained on catfaces64",
            context="The goal asked for a dit. A model is promoted only when every gate passed.",
            decision=decision,
            positive=("The checkpoint can be verified by anyone.",),
            negative=("The gates are thresholds, not a full evaluation.",),
            alternatives=(("Keep the previous checkpoint", "it stays on the volume"),),
            references=("https://arxiv.org/abs/2511.13720",),
        )
        if decided
        else None,
        lesson="Preset tiny trains a dit on catfaces64 to passing gates." if decided else "",
    )
    return outcome.model_copy(update=changes)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "state" / "ledger.db") as opened:
        yield opened


@pytest.fixture
def story(ledger: Ledger) -> Story:
    return Story(ledger)


@pytest.fixture
def outcome_of_training() -> Callable[..., Outcome]:
    return trained


@pytest.fixture
def another_story(tmp_path: Path) -> Iterator[Story]:
    """A ledger of another machine."""
    with Ledger(tmp_path / "other" / "ledger.db") as opened:
        yield Story(opened, "b", START + timedelta(days=3))


class Repository:
    """A git repository in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "Ada")
        self.git("config", "user.email", "ada@example.org")
        self.git("config", "commit.gpgsign", "false")

    def git(self, *arguments: str, check: bool = True) -> str:
        """Run git here."""
        done = subprocess.run(
            ["git", "-C", str(self.root), *arguments],
            check=check,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
        )
        return done.stdout

    def write(self, path: str, text: str) -> Path:
        """Write a file."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="")
        return file

    def read(self, path: str) -> str:
        """Read a file with its own line ends."""
        return (self.root / path).read_bytes().decode("utf-8")

    def commit(self, path: str, text: str, message: str = "work") -> None:
        """Write and commit a file."""
        self.write(path, text)
        self.git("add", "--", path)
        self.git("commit", "-q", "-m", message)

    def files(self) -> dict[str, bytes]:
        """Path → bytes of everything in the working tree."""
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and ".git" not in path.relative_to(self.root).parts
        }


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "repository")
    made.commit("README.md", "# Cats\n")
    return made
