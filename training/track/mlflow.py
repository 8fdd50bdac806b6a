"""A training in MLflow: ``<volume>/mlflow/mlflow.db``, or where ``MLFLOW_TRACKING_URI`` says."""

import fcntl
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from training.runner.ending import Ending
from training.runner.order import Order
from training.store.durable import directory_lock
from training.store.layout import LocalLayout
from training.track.tracking import Row

__all__ = ["EXPERIMENT", "MLflow"]

EXPERIMENT = "goap-training"
MOST_AT_ONCE = 1_000
"""MLflow takes no more numbers in one call."""

_STATUS = {"completed": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}
_NO_CURVES = ("step", "time")


class MLflow:
    """Keeps one MLflow run for a training, whatever number of attempts it takes.

    Numbers cannot be taken back in MLflow. A step that is done again gives the same numbers again,
    so what the run holds already is not written twice. With another learning rate it does not:
    that is another `course`, and another run.

    Args:
        layout: Where the training is.
        order: What is trained.
        course: What makes the same step of the same training another one.
    """

    def __init__(self, layout: LocalLayout, order: Order, course: str) -> None:
        self._order, self._course = order, course
        self._home = layout.root.absolute() / "mlflow"
        self._uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self._home}/mlflow.db"
        self._is_ours = "MLFLOW_TRACKING_URI" not in os.environ
        self._run = ""
        self._held: dict[str, set[int]] = {}
        self._home.mkdir(parents=True, exist_ok=True)
        logging.getLogger("mlflow").setLevel(logging.WARNING)  # how it makes its tables is its own
        # Two trainings that start together must not both create the tables.
        with directory_lock(self._home, fcntl.LOCK_EX):
            self._client = MlflowClient(tracking_uri=self._uri)
            self._experiment = self._find_experiment()

    def begin(self, step: int, rows: Sequence[Row], pictures: Mapping[int, Path]) -> str:
        """As `training.track.tracking.Tracker`."""
        del step
        self._run = self._find_run()
        self._write(rows)
        for at, path in sorted(pictures.items()):
            self.picture(at, path)
        return f"pip install mlflow; mlflow ui --backend-store-uri {self._uri}"

    def row(self, row: Row) -> None:
        """As `training.track.tracking.Tracker`."""
        self._write([row])

    def picture(self, step: int, path: Path) -> None:
        """As `training.track.tracking.Tracker`; one of the same step is replaced."""
        del step
        self._client.log_artifact(self._run, str(path), "samples")

    def end(self, ending: Ending) -> None:
        """As `training.track.tracking.Tracker`."""
        for gate in ending.gates:
            self._client.set_tag(
                self._run, f"gate.{gate.name}", "passed" if gate.passed else "FAILED"
            )
        self._client.set_terminated(self._run, _STATUS[ending.status])

    def _write(self, rows: Sequence[Row]) -> None:
        new = []
        for row in rows:
            step = int(row["step"])
            for name, value in row.items():
                held = self._held.setdefault(name, set())
                if name not in _NO_CURVES and step not in held:
                    held.add(step)
                    new.append(Metric(name, value, int(row["time"] * 1_000), step))
        for start in range(0, len(new), MOST_AT_ONCE):
            self._client.log_batch(self._run, metrics=new[start : start + MOST_AT_ONCE])

    def _find_experiment(self) -> str:
        found = self._client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        pictures = (self._home / "artifacts").as_uri() if self._is_ours else None
        return str(self._client.create_experiment(EXPERIMENT, artifact_location=pictures))

    def _find_run(self) -> str:
        """The run of this training and course, with what it holds; a new one if there is none."""
        key = self._order.key
        found = self._client.search_runs(
            [self._experiment],
            f"tags.training_key = '{key}' and tags.course = '{self._course}'",
            max_results=1,
            order_by=["attributes.start_time DESC"],
        )
        if not found:
            return self._new_run()
        run = str(found[0].info.run_id)
        for name in found[0].data.metrics:
            history = self._client.get_metric_history(run, name)
            self._held[name] = {int(each.step) for each in history}
        self._client.update_run(run, status="RUNNING")
        return run

    def _new_run(self) -> str:
        key, settings = self._order.key, self._order.settings
        tags = {"training_key": key, "course": self._course}
        words = (self._order.name, settings.get("preset"), key[:8])
        name = " ".join(str(word) for word in words if word is not None)
        run = str(self._client.create_run(self._experiment, tags=tags, run_name=name).info.run_id)
        self._client.log_batch(run, params=[Param(n, str(value)) for n, value in settings.items()])
        return run
