"""What is in the key of a declared training changes it; nothing else does; spellings do not."""

import dataclasses
import enum
import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from training import Bucket, Gate, Keep, Metrics, Results, Training
from training.declare.data import Placed, placed_of
from training.declare.hashes import Hashes
from training.declare.order import hardware_of, order_of, recipe_of, smoke_order
from training.declare.settings import values_of
from training.declare.source import source_of
from training.errors import ConfigError
from training.key import training_key
from training.runner.order import Init, Order
from training.store.volume import LocalVolume


class Settings(BaseModel):
    steps: int = Field(300, ge=1)
    lr: float = Field(3e-3, gt=0)
    batch: int = 8
    threads: int = 1
    name_of_model: str = "small"


@pytest.fixture
def root(tmp_path):
    for name in ("train.py", "other.py", "evaluate.py"):
        (tmp_path / name).write_text(name)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a").write_text("a")
    return tmp_path


@pytest.fixture
def declare(root):
    def declare(**changed):
        usual = {
            "name": "lm",
            "settings": Settings,
            "command": "python train.py --steps {steps}",
            "source": ["train.py"],
            "requirements": ["torch==2.13.0"],
            "root": root,
        }
        return Training(**{**usual, **changed})

    return declare


def order(training, settings=None, **links):
    source = source_of(training.folder, training.source, Hashes(None))
    return order_of(training, settings, source, **links)


IN_KEY = {
    "command": "python train.py --steps {steps} --lr {lr}",
    "settings": type("Other", (Settings,), {"__annotations__": {"steps": int}, "steps": 301}),
    "source": ["train.py", "other.py"],
    "requirements": ["torch==2.12.0"],
    "env": {"A": "1"},
    "apt": ["ffmpeg"],
    "python": "3.12",
}
NOT_IN_KEY = {
    "name": "other",
    "gpu": "H100:8",
    "nodes": 2,
    "cpu": 4.0,
    "memory": 1024,
    "timeout": 60,
    "region": "us-east",
    "secrets": ["wandb"],
    "tags": {"team": "a"},
    "target": None,
    "smoke": {"steps": 2},
    "learning_rate": "lr",
    "beside": ["evaluate.py"],
    "gates": [Gate("val_loss", "<=", 3.0)],
    "keep": Keep(last=1, best="val_loss"),
    "retry_exit_codes": [3],
    "checkpoints": "checkpoint-*",
    "complete": "state.json",
    "metrics": Metrics("log.csv"),
    "result": Results("all.json"),
    "goal": "lm_made",
    "description": "A language model",
}
ELSEWHERE = {
    "data": "what is on the volume is part of the key, by its digest",
    "init": "so is a checkpoint",
    "micro_batch": "it takes a setting out of the key",
    "how": "so do these",
    "shell": "it changes what a command is",
    "root": "a place: nothing is known by where it lies",
    "place": "a place",
}
"""Fields that a test of their own is about."""


def test_each_field_is_in_the_key_or_is_not():
    fields = {field.name for field in dataclasses.fields(Training)}
    assert fields == {*IN_KEY, *NOT_IN_KEY, *ELSEWHERE}


@pytest.mark.parametrize("field", IN_KEY)
def test_what_can_change_a_weight_changes_the_key(declare, field):
    changed = {field: IN_KEY[field]}
    assert order(declare(**changed)).key != order(declare()).key


@pytest.mark.parametrize("field", NOT_IN_KEY)
def test_what_changes_no_weight_changes_no_key(declare, field):
    changed = {field: NOT_IN_KEY[field]}
    assert order(declare(**changed)).key == order(declare()).key


def test_no_two_parts_make_the_same_key(declare):
    keys = [order(declare(**{field: value})).key for field, value in IN_KEY.items()]
    assert len({*keys, order(declare()).key}) == len(IN_KEY) + 1


def test_data_and_first_weights_are_in_the_key_by_their_digests_alone(declare):
    it = declare(data="photos", init=declare(name="before"))
    here = Placed("a" * 64, "datasets/a/files", "photos")
    first = Init("0" * 16, "trainings/0/checkpoints/step-1", "c" * 64)
    key = order(it, data=here, init=first).key
    moved = dataclasses.replace(here, path="elsewhere", label="other")
    renamed = dataclasses.replace(first, training="1" * 16, checkpoint="elsewhere")
    assert order(it, data=moved, init=renamed).key == key
    other = dataclasses.replace(here, digest="b" * 64)
    better = dataclasses.replace(first, digest="d" * 64)
    keys = [order(it, data=other, init=first).key, order(it, data=here, init=better).key]
    assert len({key, *keys, order(it).key}) == 4


def of_bucket(declare, **changed):
    usual = {"name": "cats", "version": "1", "key_prefix": "big/", "secret": "mine"}
    it = declare(data=Bucket(**{**usual, **changed}))
    return order(it, data=placed_of(it, LocalVolume(it.folder), Hashes(None)))


def test_a_bucket_is_in_the_key_by_where_it_is_and_the_version_that_was_said(declare):
    it = of_bucket(declare)
    assert Order.from_json(it.to_json()) == it
    assert (it.bucket.name, it.data_path) == ("cats", "")
    for same in ({"secret": "other"}, {"requester_pays": True}):
        assert of_bucket(declare, **same).key == it.key
    others = ({"name": "dogs"}, {"version": "2"}, {"key_prefix": ""}, {"endpoint_url": "https://a"})
    keys = {of_bucket(declare, **other).key for other in others}
    assert len({*keys, it.key}) == 5


@pytest.mark.parametrize("said", [{"micro_batch": "batch"}, {"how": ["batch", "threads"]}])
def test_a_setting_that_changes_no_weight_is_given_and_is_not_in_the_key(declare, said):
    it = declare(**said)
    one, other = (order(it, Settings(batch=each)) for each in (8, 4))
    assert one.key == other.key
    assert (one.settings["batch"], other.settings["batch"]) == (8, 4)
    assert "batch" not in one.parts.settings
    assert order(it, Settings(lr=1.0)).key != one.key


SHELL = {"shell": True}


def test_a_command_of_a_shell_is_another_than_the_same_words(declare):
    command = "./train.sh"
    assert order(declare(command=command, **SHELL)).key != order(declare(command=command)).key
    it = order(declare(command="python train.py | tee log.txt", **SHELL))
    assert (it.command, it.shell) == (("python train.py | tee log.txt",), True)


def test_how_a_command_is_written_changes_no_key(declare):
    words = ["python", "train.py", "--steps", "{steps}"]
    assert order(declare(command=words)).key == order(declare()).key
    assert order(declare(command="python  'train.py' --steps {steps}")).key == order(declare()).key


def test_where_the_files_lie_changes_no_key(declare, root, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "train.py").write_text("train.py")
    assert order(declare(root=other)).key == order(declare()).key
    (other / "train.py").write_text("train.py # and a comment")
    assert order(declare(root=other)).key != order(declare()).key


@given(st.floats(min_value=1e-12, max_value=1e12), st.integers(1, 10**9))
def test_every_spelling_of_a_value_is_the_same(lr, steps):
    as_numbers = values_of(Settings(lr=lr, steps=steps))
    as_words = values_of(Settings.model_validate({"lr": repr(lr), "steps": str(steps)}))
    as_exponent = values_of(Settings.model_validate({"lr": f"{lr:.17e}", "steps": float(steps)}))
    assert as_numbers == as_words == as_exponent
    assert json.dumps(as_numbers) == json.dumps(as_words) == json.dumps(as_exponent)


class Size(enum.StrEnum):
    SMALL = "s"


class Rich(BaseModel):
    size: Size = Size.SMALL
    betas: tuple[float, float] = (0.9, 0.95)
    labels: frozenset[str] = frozenset({"b", "a"})
    share: Decimal = Decimal("0.10")
    since: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    nought: float = 0.0
    deep: dict[str, list[int]] = Field(default_factory=lambda: {"x": [1, 2]})
    wait: timedelta = timedelta(seconds=90)
    path: str | None = None


def test_values_of_any_type_have_one_spelling():
    east = timezone(timedelta(hours=1))
    same = Rich.model_validate(
        {
            "size": "s",
            "betas": ["0.90", 0.95],
            "labels": ["a", "b", "a"],
            "share": "0.1",
            "since": datetime(2026, 1, 1, 1, tzinfo=east),
            "nought": -0.0,
            "deep": {"x": ["1", 2]},
            "wait": "PT1M30S",
        }
    )
    assert values_of(same) == values_of(Rich())
    assert json.dumps(values_of(same)) == json.dumps(values_of(Rich()))
    assert values_of(Rich())["labels"] == ["a", "b"]


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_number_that_is_not_finite_is_named(declare, value):
    with pytest.raises(ConfigError, match=r"lm: lr: (inf|nan) is not finite"):
        order(declare(), Settings.model_construct(lr=value))


def test_an_order_says_all_that_a_runner_has_to_know(declare):
    it = order(declare(**{**NOT_IN_KEY, "target": "steps", "micro_batch": "batch", "name": "lm"}))
    assert Order.from_json(it.to_json()) == dataclasses.replace(it, settings=dict(it.settings))
    assert it.key == training_key(it.parts)
    assert it.command == ("python", "train.py", "--steps", "{steps}")
    assert (it.target, it.micro_batch, it.learning_rate) == ("steps", "batch", "lr")
    assert (it.checkpoints.pattern, it.checkpoints.complete) == ("checkpoint-*", "state.json")
    assert (it.target_step, it.retry_exit_codes, it.keep.last) == (300, (3,), 1)
    assert it.image == recipe_of(declare()).fingerprint()


def test_a_training_without_settings_has_none(declare):
    it = order(declare(settings=None, command="python train.py"))
    assert (dict(it.settings), it.target, it.target_step) == ({}, None, None)


def test_a_smoke_training_is_the_same_but_for_what_is_said_of_it(declare):
    it = declare(smoke={"steps": 2}, gates=[Gate("val_loss", "<=", 3.0)])
    source = source_of(it.folder, it.source, Hashes(None))
    smoke = smoke_order(it, source)
    assert smoke.settings == {**order(it).settings, "steps": 2}
    assert (smoke.gates, smoke.name, smoke.target_step) == ((), "lm_smoke", 2)
    assert smoke.key == order(it, Settings(steps=2)).key != order(it).key
    assert smoke_order(declare(), source) is None


def test_hardware_is_what_is_declared_unless_another_gpu_is_asked_for(declare):
    it = declare(gpu=["h100", "A10G:1"], secrets=["wandb"], tags={"b": "2", "a": "1"}, timeout=60)
    hardware = hardware_of(it)
    assert hardware.gpu == ("H100", "A10G")
    assert (hardware.timeout, hardware.secrets) == (60, ("wandb",))
    assert hardware.tags == (("a", "1"), ("b", "2"))
    assert hardware_of(it, "T4:2, L4").gpu == ("T4:2", "L4")
    with pytest.raises(ConfigError, match="there is no GPU 'A10H'; did you mean 'A10"):
        hardware_of(it, "A10H")


def test_requirements_are_read_when_they_are_asked_for(declare, root):
    (root / "requirements.txt").write_text("torch==2.13.0\n")
    it = declare(requirements="requirements.txt")
    before = order(it).key
    assert before == order(declare()).key
    (root / "requirements.txt").write_text("torch==2.14.0\n")
    assert order(it).key != before
