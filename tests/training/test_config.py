"""Settings, the key they give, and what a training leaves on the volume."""

import json
from pathlib import Path
from typing import Any

import pytest

from training.errors import ConfigError, FailureClass, TrainingError
from training.learn.config import TrainingConfig, resolve
from training.learn.presets import PRESETS
from training.runner.ending import Ending, Reference
from training.runner.gates import Verdict
from training.store.directory import TrainingDirectory

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("model", "preset"), [(m, p) for m in PRESETS for p in PRESETS[m]])
def test_every_preset_is_a_valid_configuration(model: str, preset: str) -> None:
    config = resolve(model, preset)
    assert (config.model, config.preset) == (model, preset)
    assert config.warmup_steps < config.steps


def test_tiny_is_what_the_design_says() -> None:
    tiny = resolve("dit", "tiny")
    shape = (tiny.image_size, tiny.patch, tiny.dim, tiny.depth, tiny.heads)
    assert shape == (32, 8, 192, 4, 6)
    assert (tiny.batch, tiny.steps, tiny.learning_rate, tiny.betas) == (32, 2000, 2e-3, (0.9, 0.95))
    rest = (tiny.warmup_steps, tiny.constant_until, tiny.weight_decay, tiny.clip)
    assert rest == (50, 0.4, 0.01, 1.0)


def test_command_line_flags_dropped_every_setting_arrives_as_it_was_typed() -> None:
    """A predecessor parsed flags and dropped them; here each field takes its text, or says no."""
    typed = {
        "image_size": "48",
        "patch": "6",
        "dim": "96",
        "depth": "3",
        "heads": "4",
        "batch": "7",
        "steps": "1234",
        "learning_rate": "1e-4",
        "betas": "0.8,0.99",
        "warmup_steps": "0",
        "constant_until": "0.5",
        "weight_decay": "0",
        "clip": "2.5",
        "label_dropout": "0.2",
        "ema_stds": "0.07",
        "seed": "42",
        "save_every": "11",
        "sample_every": "12",
        "log_every": "13",
        "validate_every": "14",
        "precision": "bf16",
        "augment": "false",
        "guidance": "3",
        "sampler": "euler",
        "sample_steps": "9",
        "judged_samples": "0",
        "judged_share": "0.5",
        "keep_last": "5",
        "keep_every": "100",
    }
    assert set(typed) == set(TrainingConfig.model_fields) - {"model", "preset"}
    default, config = resolve("dit", "tiny"), resolve("dit", "tiny", typed)
    for name, text in typed.items():
        value = getattr(config, name)
        assert value != getattr(default, name), name
        flat = ",".join(map(str, value)) if isinstance(value, tuple) else str(value).lower()
        assert flat == text or float(flat) == float(text), name


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"learning_rat": 1}, "did you mean learning_rate"),
        ({"zzz": 1}, "unknown setting: zzz"),
        ({"model": "x"}, "unknown setting: model"),
        ({"steps": "many"}, "steps: "),
        ({"steps": 0}, "greater than or equal to 1"),
        ({"steps": 1.5}, "steps: "),
        ({"learning_rate": "nan"}, "learning_rate: "),
        ({"learning_rate": "inf"}, "learning_rate: "),
        ({"betas": "0.9"}, "betas"),
        ({"ema_stds": "0.5"}, "ema_stds"),
        ({"patch": 5}, "not a multiple of patch 5"),
        ({"heads": 5}, "not a multiple of heads 5"),
        ({"dim": 6, "heads": 3}, "multiple of 4"),
        ({"precision": "fp16"}, "precision"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(overrides: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve("dit", "tiny", overrides)
    assert said in str(caught.value)
    assert caught.value.fix
    assert caught.value.failure_class is FailureClass.PERMANENT


def ending(**changes: Any) -> Ending:
    gate = Verdict("g", "m", ">=", 1, 2, True)
    given = {
        "key": "k",
        "name": "dit",
        "status": "completed",
        "step": 10,
        "target_step": 10,
        "gates": (gate,),
        "checkpoint": Reference("p", "0", 10),
        "seconds": 1.0,
        "attempts": 1,
        "started": "a",
        "ended": "b",
    }
    return Ending(**{**given, **changes})


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    directory = TrainingDirectory.local(tmp_path, "k")
    assert directory.read_order() is directory.read_ending() is directory.last_metrics() is None
    assert (directory.attempts, list(directory.metrics())) == (0, [])
    directory.write_ending(ending())
    assert (directory.begin_attempt(), directory.begin_attempt(), directory.attempts) == (1, 2, 2)
    assert directory.read_ending() == ending()


def test_a_torn_last_line_of_metrics_is_passed_over(tmp_path: Path) -> None:
    directory = TrainingDirectory.local(tmp_path, "k")
    directory.path.mkdir(parents=True)
    rows = [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.4}, {"step": 2, "validation_loss": 1}]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    for torn in ('{"step": 3, "loss": 0.', '{"step": 3, "loss": 0.3}', "\0\0\0"):
        directory.metrics_path.write_text(lines + torn, encoding="utf-8")
        assert list(directory.metrics()) == rows
        assert directory.last_metrics() == rows[1]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"step": "x"}'])
def test_a_damaged_record_is_said_with_its_path(tmp_path: Path, content: str) -> None:
    directory = TrainingDirectory.local(tmp_path, "k")
    directory.path.mkdir(parents=True)
    for name in (directory.result_name, directory.spec_name):
        (tmp_path / name).write_text(content, encoding="utf-8")
    for read in (directory.read_ending, directory.read_order):
        with pytest.raises(TrainingError, match=r"\.json cannot be read"):
            read()


def test_an_error_says_what_to_do() -> None:
    error = TrainingError("it broke", fix="mend it")
    assert str(error) == "it broke\n  fix: mend it"
    assert (error.code, error.failure_class) == ("training_error", FailureClass.UNKNOWN)
