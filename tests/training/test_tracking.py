"""Trackers show what metrics.jsonl holds, and never stand in a training's way."""

import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.training.conftest import StopAfter
from training.errors import ConfigError
from training.runner.ending import Ending
from training.store.directory import TrainingDirectory
from training.track import tracking as tracking_module
from training.track.following import following
from training.track.names import require
from training.track.tracking import Row, Tracking

LITTLE = {"steps": 8, "save_every": 4, "log_every": 2, "sample_every": 4, "sample_steps": 1}


def interrupted(bench: Any, directory: TrainingDirectory, tracker: str, steps: int) -> None:
    """One attempt that ends before its time, and after a step that no checkpoint holds."""
    bench.run(directory, follower=following(tracker), stop=StopAfter(steps))


def wait(patch: pytest.MonkeyPatch, seconds: float) -> None:
    """From now on an attempt waits so long at its end for its tracker."""
    patch.setattr(tracking_module, "PATIENCE_SECONDS", seconds)


how_the_first_ends = pytest.mark.parametrize("seconds", [300, 0], ids=["whole", "left alone"])
"""The second attempt begins when all of the first is shown, or while a slow tracker shows it."""


def forget_checkpoint(directory: TrainingDirectory, step: int) -> None:
    """As if the attempt had been killed before it could save: steps have to be done again."""
    import shutil

    shutil.rmtree(directory.checkpoints_path / f"step-{step:08d}")


def recorded(directory: TrainingDirectory) -> dict[str, list[tuple[int, float]]]:
    """Name to steps and values, as metrics.jsonl has them."""
    found: dict[str, list[tuple[int, float]]] = {}
    for row in directory.metrics():
        for name, value in row.items():
            if name not in ("step", "time"):
                found.setdefault(name, []).append((int(row["step"]), value))
    return {name: sorted(points) for name, points in found.items()}


def in_tensorboard(directory: TrainingDirectory) -> tuple[dict[str, Any], list[int]]:
    """What any reader of all event files finds: curves, and the steps that have a picture."""
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.compat.proto.event_pb2 import Event

    curves: dict[str, list[tuple[int, float]]] = {}
    pictures = []
    for file in sorted((directory.path / "tensorboard").iterdir()):
        for raw in RawEventFileLoader(str(file)).Load():
            event = Event.FromString(raw)
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    curves.setdefault(value.tag, []).append((event.step, value.simple_value))
                elif value.HasField("image"):
                    pictures.append(event.step)
    return {name: sorted(points) for name, points in curves.items()}, sorted(pictures)


@how_the_first_ends
def test_tensorboard_shows_each_step_once_whatever_was_interrupted(
    bench: Any, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    pytest.importorskip("tensorboard", reason="the extra [tensorboard] is not installed")
    directory = bench.make("shown", **LITTLE)
    wait(monkeypatch, seconds)
    interrupted(bench, directory, "tensorboard", 6)
    wait(monkeypatch, 300)
    forget_checkpoint(directory, 6)
    result = bench.run(directory, follower=following("tensorboard"))
    assert result.status == "completed"
    curves, pictures = in_tensorboard(directory)
    expected = recorded(directory)
    assert curves.keys() == expected.keys()
    for name, points in expected.items():
        assert [step for step, _ in curves[name]] == [step for step, _ in points]
        assert [value for _, value in curves[name]] == pytest.approx([v for _, v in points])
    assert pictures == [4, 8]
    assert "tensorboard --logdir" in directory.log_path.read_text(encoding="utf-8")


@how_the_first_ends
def test_mlflow_keeps_one_run_with_each_step_once(
    bench: Any, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    pytest.importorskip("mlflow", reason="the extra [mlflow] is not installed")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    directory = bench.make("kept", **LITTLE)
    wait(monkeypatch, seconds)
    interrupted(bench, directory, "mlflow", 6)
    wait(monkeypatch, 300)
    forget_checkpoint(directory, 6)
    assert bench.run(directory, follower=following("mlflow")).status == "completed"

    from mlflow import MlflowClient
    from mlflow.telemetry.utils import is_telemetry_disabled

    assert is_telemetry_disabled()
    client = MlflowClient(tracking_uri=f"sqlite:///{bench.volume}/mlflow/mlflow.db")
    (experiment,) = [e for e in client.search_experiments() if e.name == "goap-training"]
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.status, run.data.tags["training_key"]) == ("FINISHED", "kept")
    assert run.data.params["steps"] == "8"
    found = {
        name: sorted((m.step, m.value) for m in client.get_metric_history(run.info.run_id, name))
        for name in run.data.metrics
    }
    expected = recorded(directory)
    assert {name: [step for step, _ in points] for name, points in found.items()} == {
        name: [step for step, _ in points] for name, points in expected.items()
    }
    # Exact resume: the losses of the steps done twice are the same, so which one is shown is one.
    assert found["loss"] == expected["loss"]
    shown = client.list_artifacts(run.info.run_id, "samples")
    assert [Path(each.path).name for each in shown] == ["step-00000004.png", "step-00000008.png"]
    assert all(path.is_relative_to(bench.volume) for path in bench.volume.rglob("*.png"))


class Broken:
    """A tracker that fails, hangs or works, as the test says."""

    def __init__(self, fail: bool = False, wait: threading.Event | None = None) -> None:
        self.fail, self.wait = fail, wait
        self.rows: list[Row] = []

    def begin(self, step: int, rows: Sequence[Row], pictures: Mapping[int, Path]) -> str:
        del step, pictures
        self.rows += rows
        return "by looking"

    def row(self, row: Row) -> None:
        if self.fail:
            raise OSError("no server\nat all")
        if self.wait is not None:
            self.wait.wait(300)
        self.rows.append(row)

    def picture(self, step: int, path: Path) -> None: ...

    def end(self, ending: Ending) -> None: ...


def test_a_tracker_that_fails_is_one_warning() -> None:
    warned: list[str] = []
    tracking = Tracking(
        "mlflow", lambda: nullcontext(Broken(fail=True)), lambda _: None, warned.append
    )
    tracking.begin(0, [], {})
    for step in range(100):
        tracking.row({"step": step, "loss": 1.0})
    tracking.end(None)  # type: ignore[arg-type]
    assert warned == [
        "mlflow failed and is left out: OSError: no server; metrics.jsonl has every row"
    ]


def test_a_tracker_that_hangs_is_left_alone() -> None:
    warned: list[str] = []
    release = threading.Event()
    slow = Broken(wait=release)
    tracking = Tracking(
        "mlflow", lambda: nullcontext(slow), lambda _: None, warned.append, patience=0.05
    )
    tracking.begin(0, [], {})
    tracking.row({"step": 1, "loss": 1.0})
    tracking.end(None)  # type: ignore[arg-type]
    release.set()
    assert warned == ["mlflow is not done after 0.05 s and is left alone"]


def test_a_tracker_that_is_not_installed_is_said_before_anything_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)  # Python finds no such module
    with pytest.raises(ConfigError, match="not installed: tensorboard") as caught:
        require("tensorboard")
    assert caught.value.fix == "pip install 'goap-modal-agents[tensorboard]'"
    with pytest.raises(ConfigError, match="tensorboard"):
        following("tensorboard")
