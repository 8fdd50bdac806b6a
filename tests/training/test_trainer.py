"""The loop, through its front door: a volume in, a result and files out."""

import itertools
import json
import os
import resource
import shutil
import signal
import statistics
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from tests.training.conftest import StopAfter
from training.data.shard import load
from training.errors import FailureClass
from training.learn.config import TrainingConfig, config_of
from training.learn.diffusion import DiffusionTask
from training.learn.dit import TinyDiT
from training.learn.task import BatchLoss, Draws
from training.runner.ending import Ending
from training.runner.signals import Stop
from training.script.points import Point, RunPoints
from training.store.directory import TrainingDirectory
from training.store.tensorfile import read_tensors

LITTLE = {"steps": 12, "save_every": 4, "log_every": 3, "sample_steps": 2, "validate_every": 6}


def weights(directory: TrainingDirectory, step: int | None = None) -> dict[str, Tensor]:
    """All tensors of a checkpoint, the newest unless a step is given."""
    entries = {entry.step: entry for entry in directory.store().entries()}
    entry = entries[max(entries) if step is None else step]
    return {
        f"{file.stem}/{name}": value
        for file in sorted(entry.path.glob("*.safetensors"))
        for name, value in read_tensors(file).items()
    }


def differing(one: dict[str, Tensor], other: dict[str, Tensor]) -> list[str]:
    """Names of tensors that are not the same to the last bit."""
    assert one.keys() == other.keys()
    return [name for name in one if not torch.equal(one[name], other[name])]


def rows(directory: TrainingDirectory, name: str = "loss") -> list[dict[str, Any]]:
    return [row for row in directory.metrics() if name in row]


def test_the_smoke_preset_learns_and_passes_its_gates(bench: Any) -> None:
    directory = bench.make("smoke")
    result = bench.run(directory)
    assert result.passed
    assert (result.status, result.step, result.failure) == ("completed", 150, None)
    assert result.numbers["validation_ratio"] < 0.5
    assert result.numbers["sample_correlation"] > 0.5
    assert {gate.name for gate in result.gates} == {
        "loss_fell",
        "average_differs",
        "samples_not_noise",
        "samples_like_photos",
    }
    assert result.numbers["thumbnail_distance"] < result.numbers["thumbnail_distance_noise"]
    assert result.checkpoint is not None
    assert result.checkpoint.step == 150
    assert directory.read_ending() == result
    kept = weights(directory)
    assert differing(
        {name.partition("/")[2]: value for name, value in kept.items() if name.startswith("ema/")},
        {
            name.partition("/")[2]: value
            for name, value in kept.items()
            if name.startswith("model/")
        },
    )


def test_what_is_made_of_drawings_says_so(bench: Any) -> None:
    directory = bench.make("drawn", **{**LITTLE, "steps": 2})
    bench.run(directory)
    with Image.open(directory.sample_path(2)) as sheet:
        assert sheet.text["source"] == "SYNTHETIC"
        assert sheet.text["training"] == "drawn"


@pytest.mark.parametrize("stopped_at", [4, 7])
def test_a_resumed_training_ends_with_the_very_same_weights(bench: Any, stopped_at: int) -> None:
    """Stopped at a checkpoint's step or between two: the rest is what it would have been."""
    whole, broken = bench.make("whole", **LITTLE), bench.make("broken", **LITTLE)
    bench.run(whole)
    first = interrupted_at(bench, broken, stopped_at)
    assert (first.status, first.step) == ("interrupted", stopped_at)
    second = bench.run(broken)
    assert (second.status, second.attempts) == ("completed", 2)
    assert differing(weights(whole), weights(broken)) == []
    assert second.numbers["loss_final"] == bench.run(whole).numbers["loss_final"]


def interrupted_at(bench: Any, directory: TrainingDirectory, step: int) -> Ending:
    """The ending of an attempt that is asked to stop when `step` steps are done."""
    return bench.run(directory, stop=StopAfter(step))


def test_seventy_and_eighty_steps_are_a_hundred_and_fifty(bench: Any) -> None:
    settings = {
        "steps": 150,
        "save_every": 70,
        "dim": 16,
        "heads": 2,
        "batch": 4,
        "sample_steps": 2,
    }
    whole, broken = bench.make("whole", **settings), bench.make("broken", **settings)
    bench.run(whole)
    interrupted_at(bench, broken, 70)
    bench.run(broken)
    assert differing(weights(whole), weights(broken)) == []


def test_the_rate_goes_on_where_it_was_after_a_restart(bench: Any) -> None:
    settings = {**LITTLE, "log_every": 1}
    whole, broken = bench.make("whole", **settings), bench.make("broken", **settings)
    bench.run(whole)
    interrupted_at(bench, broken, 7)
    bench.run(broken)
    assert [row["lr"] for row in rows(broken)] == [row["lr"] for row in rows(whole)]
    assert [row["loss"] for row in rows(broken)] == [row["loss"] for row in rows(whole)]
    assert [row["step"] for row in rows(broken)] == list(range(1, 13))


def test_a_micro_batch_changes_memory_and_not_what_is_learned(bench: Any) -> None:
    whole, pieces = bench.make("whole", **LITTLE), bench.make("pieces", **LITTLE)
    one, other = bench.run(whole), bench.run(pieces, micro_batch=12)  # 12 + 12 + 8
    assert other.numbers["loss_final"] == pytest.approx(one.numbers["loss_final"], rel=1e-3)
    trained, again = weights(whole), weights(pieces)
    for name in trained:
        assert torch.allclose(trained[name], again[name], atol=2e-3), name


def test_a_dataset_smaller_than_a_batch_is_trained_on(bench: Any, tmp_path: Path) -> None:
    from training.data.prepare import prepare

    photos = tmp_path / "photos"
    photos.mkdir()
    for index in range(3):
        Image.new("RGB", (20, 20), (80 * index, 100, 30)).save(photos / f"Bengal_{index}.png")
    (bench.volume / "datasets").unlink()
    manifest = prepare(photos, bench.volume, 16)
    result = replace(bench, dataset=manifest.digest).run(
        replace(bench, dataset=manifest.digest).make("few", **LITTLE)
    )
    assert (result.status, result.step) == ("completed", 12)


def test_the_logged_loss_is_the_mean_of_the_steps_since_the_last_line(bench: Any) -> None:
    each, every_third = (
        bench.make("each", **{**LITTLE, "log_every": 1}),
        bench.make("third", **LITTLE),
    )
    bench.run(each)
    bench.run(every_third)
    single = [row["loss"] for row in rows(each)]
    means = [sum(single[i : i + 3]) / 3 for i in range(0, 12, 3)]
    assert [row["loss"] for row in rows(every_third)] == pytest.approx(means, rel=1e-5)
    assert [row["window"] for row in rows(every_third)] == [3, 3, 3, 3]


def test_the_logged_speed_is_steps_by_the_time_between_two_lines(bench: Any) -> None:
    directory = bench.make(
        "speed", **{**LITTLE, "steps": 140, "log_every": 20, "save_every": 70, "judged_samples": 0}
    )
    bench.run(directory)
    lines = rows(directory)
    off = []
    for before, after in pairwise([{"seconds": 0.0, "time": lines[0]["time"]}, *lines]):
        seconds = after["seconds"] - before["seconds"]
        assert after["steps_per_second"] == pytest.approx(20 / seconds, rel=1e-6)
        assert after["images_per_second"] == pytest.approx(32 * after["steps_per_second"])
        off.append(after["steps_per_second"] * (after["time"] - before["time"]) / 20 - 1)
    # By the time of day as well, which is read later: a busy machine may come between, but rarely.
    assert statistics.median(map(abs, off[1:])) < 0.01


def test_losses_by_quarter_average_to_the_loss(bench: Any) -> None:
    directory = bench.make("quarters", **{**LITTLE, "log_every": 12})
    bench.run(directory)
    (row,) = rows(directory)
    quarters = [row[f"loss_q{index}"] for index in (1, 2, 3, 4) if f"loss_q{index}" in row]
    assert min(quarters) <= row["loss"] <= max(quarters)


def test_a_degenerate_objective_is_stopped_at_once_by_name(bench: Any) -> None:
    """The predecessor paid for 400,000 steps of it: noise and image were one tensor."""

    class SameTensor(DiffusionTask):
        def build(self) -> TinyDiT:
            model = super().build()
            models.append(weakref.ref(model))
            return model

        def draw(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, ...]:
            pictures, kept, _, time = super().draw(images, labels, draws)
            return pictures, kept, pictures, time

    models: list[weakref.ref[TinyDiT]] = []
    directory = bench.make("same")
    result = bench.run(directory, tasks={"dit": SameTensor})
    assert result.status == "failed"
    assert result.failure is not None
    assert (result.failure.name, result.failure.failure_class) == (
        "loss_collapsed",
        FailureClass.NUMERIC,
    )
    assert result.step <= 50
    assert [model() for model in models] == [None]  # a failed attempt holds no memory
    assert directory.read_ending() == result


def test_a_loss_of_nothing_from_the_first_step_is_stopped_too(bench: Any) -> None:
    class Trivial(DiffusionTask):
        def loss(self, model: nn.Module, inputs: tuple[Tensor, ...]) -> BatchLoss:
            found = super().loss(model, inputs)
            return replace(found, per_image=1e-9 * found.per_image)

    result = bench.run(bench.make("trivial"), tasks={"dit": Trivial})
    assert result.failure is not None
    assert (result.failure.name, result.step) == ("loss_collapsed", 1)


def test_a_rate_that_breaks_the_numbers_stops_the_run_and_leaves_a_good_checkpoint(
    bench: Any,
) -> None:
    settings = {**LITTLE, "save_every": 2, "clip": 1e9, "learning_rate": 1e-3, "warmup_steps": 0}
    directory = bench.make("broken", **settings)
    interrupted_at(bench, directory, 4)
    result = bench.run(directory, learning_rate=1e30)
    assert result.failure is not None
    assert result.failure.failure_class is FailureClass.NUMERIC
    assert result.checkpoint is not None
    assert result.checkpoint.step == 4
    newest = directory.store().newest_valid()
    assert newest is not None
    assert newest.step == 4
    assert all(value.isfinite().all() for value in weights(directory).values())


def test_after_bad_numbers_a_lower_rate_and_an_earlier_step_can_be_asked_for(bench: Any) -> None:
    directory = bench.make("lower", **{**LITTLE, "steps": 8, "log_every": 1})
    interrupted_at(bench, directory, 8)
    directory.forget_result()
    shutil.rmtree(directory.root / directory.checkpoint_name(8))
    rate = directory.read_order().settings["learning_rate"]
    result = bench.run(directory, learning_rate=rate / 2)
    assert (result.status, result.step) == ("completed", 8)
    rates = {row["step"]: row["lr"] for row in rows(directory)}
    whole = bench.make("whole", **{**LITTLE, "steps": 8, "log_every": 1})
    bench.run(whole)
    full = {row["step"]: row["lr"] for row in rows(whole)}
    assert [rates[step] / full[step] for step in range(1, 8)] == pytest.approx([1] * 4 + [0.5] * 3)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_run_after_one_step_and_one_save(
    bench: Any, number: signal.Signals
) -> None:
    directory = bench.make("signal", **{**LITTLE, "steps": 100_000, "save_every": 50_000})
    before = signal.getsignal(number)
    sender = threading.Thread(target=send_when_training, args=(directory, number))
    sender.start()
    result = bench.run(directory)
    sender.join()
    assert result.status == "interrupted"
    assert result.checkpoint is not None
    assert result.checkpoint.step == result.step
    assert len(directory.store().entries()) == 1
    assert signal.getsignal(number) is before


def send_when_training(directory: TrainingDirectory, number: signal.Signals) -> None:
    """Send a signal to this process as soon as the first line of metrics is there."""
    end = time.monotonic() + 300
    while not list(directory.metrics()) and time.monotonic() < end:
        threading.Event().wait(0.01)
    os.kill(os.getpid(), number)


def test_a_deadline_ends_the_run_like_a_signal(bench: Any) -> None:
    directory = bench.make("deadline", **{**LITTLE, "steps": 100_000, "save_every": 50_000})
    seconds = itertools.count()  # a second passes with each look: the loop looks once a step
    stop = Stop(5, clock=lambda: float(next(seconds)))
    result = bench.run(directory, stop=stop)
    assert result.status == "interrupted"
    assert result.checkpoint is not None
    assert result.checkpoint.step == result.step > 0


def test_from_the_checkpoint_before_a_damaged_one_it_ends_with_the_very_same_weights(
    bench: Any,
) -> None:
    whole, broken = bench.make("whole", **LITTLE), bench.make("broken", **LITTLE)
    bench.run(whole)
    interrupted_at(bench, broken, 8)
    newest = broken.checkpoints_path / "step-00000008" / "model.safetensors"
    content = bytearray(newest.read_bytes())
    content[-1] ^= 1
    newest.write_bytes(content)
    assert bench.run(broken).status == "completed"
    assert differing(weights(whole), weights(broken)) == []
    assert [row["step"] for row in rows(broken)] == [3, 6, 9, 12]


def test_a_torn_line_of_metrics_is_repaired(bench: Any) -> None:
    directory = bench.make("torn", **LITTLE)
    interrupted_at(bench, directory, 8)
    with directory.metrics_path.open("a", encoding="utf-8") as file:
        file.write('{"step": 9, "lo')
    bench.run(directory)
    text = directory.metrics_path.read_text(encoding="utf-8")
    assert [json.loads(line)["step"] for line in text.splitlines() if '"loss"' in line] == [
        3,
        6,
        9,
        12,
    ]


def test_an_error_nobody_expected_is_raised_and_the_checkpoint_before_it_stays(bench: Any) -> None:
    class Broken(DiffusionTask):
        def loss(self, model: nn.Module, inputs: tuple[Tensor, ...]) -> BatchLoss:
            if len(looks) == 5:
                raise ZeroDivisionError("as it happens")
            looks.append(1)
            return super().loss(model, inputs)

    looks: list[int] = []
    directory = bench.make("surprise", **LITTLE)
    with pytest.raises(ZeroDivisionError, match="as it happens"):
        bench.run(directory, tasks={"dit": Broken})
    (checkpoint,) = directory.checkpoints_path.glob("step-*")
    assert checkpoint.name == "step-00000004"


@pytest.mark.parametrize("background", [False, True])
def test_a_full_disk_fails_by_name_and_keeps_the_last_checkpoint(
    bench: Any, background: bool
) -> None:
    directory = bench.make("full", **LITTLE)
    interrupted_at(bench, directory, 4)
    with largest_file(10_000):
        result = bench.run(directory, background_saves=background)
    assert result.status == "failed"
    assert result.failure is not None
    assert (result.failure.name, result.failure.failure_class) == ("disk_full", "resource")
    newest = directory.store().newest_valid()
    assert newest is not None
    assert newest.step == 4
    assert bench.run(directory).status == "completed"


@contextmanager
def largest_file(count: int) -> Iterator[None]:
    """Let no file of this process grow beyond so many bytes: the disk looks full to it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_a_change_of_threads_is_said(bench: Any, capsys: pytest.CaptureFixture[str]) -> None:
    directory = bench.make("threads", **{**LITTLE, "steps": 5})
    interrupted_at(bench, directory, 4)
    bench.run(directory, threads=2)
    torch.set_num_threads(1)
    log = capsys.readouterr().out
    assert "threads was 1 and is 2: the weights will differ in the last bits" in log


def test_a_finished_training_is_not_trained_again(bench: Any) -> None:
    directory = bench.make("once", **{**LITTLE, "steps": 2})
    first = bench.run(directory)
    assert bench.run(directory) == first
    assert directory.attempts == 1


def test_a_batch_without_memory_fails_by_name_and_says_what_to_try(bench: Any) -> None:
    directory = bench.make("huge", **{**LITTLE, "batch": 4_000, "steps": 1, "validate_every": 100})
    bench.run(bench.make("warm", **{**LITTLE, "steps": 1}))  # everything is loaded and allocated
    with address_space_left(256 << 20):
        result = bench.run(directory)
    assert result.status == "failed"
    assert result.failure is not None
    assert result.failure.name == "out_of_memory"
    assert result.failure.failure_class is FailureClass.RESOURCE
    assert '"micro_batch": 2000' in result.failure.message
    assert bench.run(directory, micro_batch=50).step == 1


@contextmanager
def address_space_left(count: int) -> Iterator[None]:
    """Let this process have only so many more bytes inside the block."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def test_a_dataset_of_another_size_is_refused(bench: Any) -> None:
    result = bench.run(bench.make("size", image_size=32))
    assert result.failure is not None
    assert "16 px, the training 32 px" in result.failure.message


def test_lines_of_the_log_have_the_agreed_form(
    bench: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = bench.make("log", **LITTLE)
    bench.run(directory)
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if "Step 6/12" in line]
    stamp, level, step, loss, rate, speed = line.split(" | ")
    assert len(stamp) == len("2026-02-28 12:45:30")
    assert level == "INFO   "
    assert step == "Step 6/12"
    assert loss.startswith("Loss: 0.")
    assert rate == "LR: 1.80e-03"
    assert speed.startswith("Speed: ")
    assert speed.endswith(" steps/s")


def test_the_loop_goes_on_while_a_checkpoint_is_written_and_what_is_written_stays_as_it_was(
    bench: Any,
) -> None:
    """Each write ends only when the loop is two steps further, and holds what was at its step."""
    settings = {**LITTLE, "log_every": 1, "keep_last": 9}
    at_once, beside = bench.make("at-once", **settings), bench.make("beside", **settings)
    bench.run(at_once)
    seen: list[int] = []

    class Slow(RunPoints):
        """Keeps a point when the loop is two steps further."""

        def keep(self, point: Point) -> None:
            deadline = time.monotonic() + 300
            while (reached := int(rows(beside)[-1]["step"])) < min(point.step + 2, 12):
                assert time.monotonic() < deadline, "the loop waited for the checkpoint"
            seen.append(reached)
            super().keep(point)

    result = bench.run(beside, points=Slow, background_saves=True)
    assert result.checkpoint is not None
    assert result.checkpoint.step == 12
    assert len(seen) == 3
    for step in (4, 8, 12):
        assert differing(weights(at_once, step), weights(beside, step)) == []


def test_every_kind_of_task_is_made_from_configuration_and_classes(
    bench: Any, synthetic_cats: Path
) -> None:
    make: Callable[[TrainingConfig, int], DiffusionTask] = DiffusionTask
    config = config_of(bench.make("any").read_order().settings)
    assert make(config, 8).build().null_class == len(load(synthetic_cats, bench.dataset).classes)
