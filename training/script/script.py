"""The script by the contract: settings in, checkpoints, rows, samples and a result out.

It decides nothing that whoever started it decides: which checkpoint is resumed, which are kept,
whether the result is good enough, how often it is tried again.
"""

import json
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import torch
from pydantic import ValidationError

from training.contract import ContractError, Run
from training.data.shard import Dataset, load_whole
from training.errors import ConfigError, DiskFull, TrainingError
from training.judge.judge import JUDGES, MakeJudge
from training.learn.config import Execution, TrainingConfig
from training.learn.device import Device, choose_device
from training.learn.loop import TASKS, MakeTask
from training.learn.parallel import Group, joined
from training.runner.signals import Stop
from training.script.attempt import Attempt, Reached
from training.script.endings import as_training_error, forget_frames, free_memory
from training.script.lines import RunLines
from training.script.points import Points, RunPoints
from training.script.threads import suited_threads
from training.script.trainer import Trainer
from training.store.durable import write_whole

__all__ = ["run_script"]

EXIT_OK, EXIT_FAILED = 0, 1
RESULT_FILE = "result.json"


def run_script(
    run: Run,
    *,
    stop: Stop | None = None,
    tasks: Mapping[str, MakeTask] = TASKS,
    judges: Mapping[str, MakeJudge] = JUDGES,
    points: Callable[[Run], Points] = RunPoints,
) -> int:
    """Train until the target, a stop or a failure; return the exit code.

    What nobody expected is raised. All but the first argument are usual, and others in tests.
    """
    try:
        config, execution = _settings(run)
        dataset = _dataset(run, config)
        threads = execution.threads or suited_threads(config)
        with joined() as group:
            device = choose_device(config.precision, threads, execution.device)
            task = tasks[config.model](config, len(dataset.classes))
            attempt = Attempt(
                key=run.key,
                config=config,
                dataset=dataset,
                task=task,
                judge=judges[config.model](config, len(dataset.classes), task),
                execution=execution,
                device=device,
                group=group,
                points=points(run),
                samples=run.directory / "samples",
                log=RunLines(run, device.memory),
            )
            return _carried(run, attempt, stop or Stop.at(run.deadline))
    except TrainingError as error:
        _fail(run, error)
    except ContractError as error:
        _fail(run, ConfigError(str(error)))
    return EXIT_FAILED


def _settings(run: Run) -> tuple[TrainingConfig, Execution]:
    settings = dict(run.settings)
    how = {name: settings.pop(name) for name in Execution.model_fields if name in settings}
    try:
        return TrainingConfig.model_validate(settings), Execution.model_validate(how)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(
            f"the settings that GOAP_SETTINGS names cannot be trained with: {where}: "
            f"{first['msg'].removeprefix('Value error, ')}",
            fix="python -m training train --help says how a training is begun",
            code="invalid_setting",
        ) from error


def _dataset(run: Run, config: TrainingConfig) -> Dataset:
    """The shard in the directory of data, which lies on a volume under its digest."""
    dataset = load_whole(run.data.parent.parent, run.data.name)
    if dataset.image_size != config.image_size:
        raise ConfigError(
            f"dataset {dataset.digest[:12]} has {dataset.image_size} px, "
            f"the training {config.image_size} px",
            fix=f"python -m training prepare --image-size {config.image_size}",
        )
    return dataset


def _carried(run: Run, attempt: Attempt, stop: Stop) -> int:
    reached = Reached()
    failure: TrainingError | None = None
    trainer: Trainer | None = None
    try:
        with stop.listening():
            trainer = Trainer(attempt, reached)
            trainer.train(stop)
    except TrainingError as error:
        failure = error
    except Exception as error:
        failure = as_training_error(attempt, error)
        if failure.code == "unexpected":
            raise
    finally:
        if trainer is not None:
            trainer.close()
        del trainer
        forget_frames(failure)
        free_memory()
    if failure is not None:
        with suppress(OSError):
            run.log(reached.step)  # where it was, which rows at intervals do not tell
        _fail(run, failure)
        return EXIT_FAILED
    if reached.stopped is None and attempt.group.is_first:
        write_whole(run.directory / RESULT_FILE, _result(attempt, reached))
    return EXIT_OK


def _result(attempt: Attempt, reached: Reached) -> str:
    """What was reached: numbers that gates judge, and words that say where."""
    speed = reached.images / reached.loop_seconds if reached.loop_seconds else 0.0
    about = _about(attempt.device, attempt.group)
    numbers = {**reached.metrics, "images_per_second": speed, "step": reached.step}
    return json.dumps({**{k: _number(v) for k, v in numbers.items()}, **about}, indent=1) + "\n"


def _about(device: Device, group: Group) -> dict[str, Any]:
    return {
        "device": device.name,
        "dtype": device.dtype_name,
        "threads": device.threads,
        "processes": group.ranks,
        "torch": torch.__version__,
    }


def _number(value: float) -> float | str:
    """A number as the contract writes it: JSON has none that is not finite."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _fail(run: Run, error: TrainingError) -> None:
    """Say what it was by name; on a full disk the exit code and the last line say it."""
    try:
        run.fail(error.code, str(error.failure_class), str(error))
    except (OSError, DiskFull):
        RunLines(run).warning(f"{error.code}: {error}")
