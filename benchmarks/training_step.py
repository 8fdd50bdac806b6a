"""Measures the learning half of training and writes RESULTS-training.md beside this file.

    python benchmarks/training_step.py [--photos ../shared/data] [--threads 1] [--rounds 5]
                                       [--tiny VOLUME] [--gpu-batch 1024]

- The matmul peak of this machine, in the same run: the best of several sizes, at the threads used.
- A step of the 128 px model, batch 16, against a plain implementation of the predecessor's step:
  fp32, AdamW one parameter after the other, an average updated one parameter after the other, and
  full-size JPEG decoded for every image, malloc as glibc leaves it. The two alternate; the best
  round counts.
- Steps of `smoke` and `tiny` with one and two threads.
- With `--tiny`: trains `tiny` on the cat faces for 2,000 steps on that volume (or takes what is
  there) and measures how far 1,000 samples are from the photos.
- On a GPU: images per second and share of the peak of `dit128`, compiled, at the batch given.
"""

import argparse
import ctypes
import os
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from training.compute.here import carried_here
from training.data.prepare import prepare
from training.data.shard import load
from training.judge.quality import thumbnail_distance
from training.judge.sampling import sample
from training.learn.config import Execution, TrainingConfig, resolve
from training.learn.device import (
    M_MMAP_THRESHOLD,
    M_TRIM_THRESHOLD,
    Device,
    choose_device,
    keep_freed_memory,
)
from training.learn.diffusion import DiffusionTask
from training.learn.flow import draw_time, flow_loss
from training.learn.learner import Learner
from training.learn.parallel import Group
from training.learn.randomness import generator
from training.own import order_of, own_source
from training.runner.signals import Stop
from training.store.directory import TrainingDirectory
from training.store.lock import holding
from training.store.weights import read_weights

HERE = Path(__file__).resolve().parent
BATCH = 16


def main() -> None:
    """Measure everything and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, default=HERE.parents[1] / "shared" / "data")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tiny", type=Path, help="a volume to train `tiny` on")
    parser.add_argument("--gpu-batch", type=int, default=1024)
    parser.add_argument("--out", type=Path, default=HERE / "RESULTS-training.md")
    options = parser.parse_args()
    device = choose_device("auto", options.threads)
    rows = [*gpu_step(device, options)] if device.is_gpu else [*steps(device, options)]
    if options.tiny is not None:
        rows += tiny_quality(options.tiny, options.photos / "catfaces64")
    lines = [
        "# Training: measured results",
        "",
        (
            "Written by `python benchmarks/training_step.py` on "
            f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC: {device.name}, {os.cpu_count()} cores, "
            f"{options.threads} threads used unless said, {device.dtype_name}, Python "
            f"{platform.python_version()}, torch {torch.__version__}; load average "
            f"{os.getloadavg()[0]:.1f} (others were working on the machine when this is above 1)."
        ),
        "",
        "| work | measured | compared with | ratio | target |",
        "|---|---|---|---|---|",
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
    ]
    options.out.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


def best(work: Callable[[], object], rounds: int, sync: Callable[[], None] = lambda: None) -> float:
    """Return the fewest seconds of several rounds; the first call is not counted."""
    work()
    sync()
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        sync()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def peak(device: Device) -> float:
    """Return the most floating-point operations per second that a matmul reaches here."""
    sizes = (8192, 16384) if device.is_gpu else (512, 1024, 2048)
    sync = torch.cuda.synchronize if device.is_gpu else lambda: None
    found = []
    for size in sizes:
        a = torch.randn(size, size, device=device.torch_device, dtype=device.dtype)
        found.append(2 * size**3 / best(lambda a=a: a @ a, 10, sync))
    return max(found)


def step_operations(config: TrainingConfig, batch: int) -> float:
    """Return the operations of one step: products of weights and of attention, there and back."""
    tokens = (config.image_size // config.patch) ** 2
    patch = 3 * config.patch**2
    linear = tokens * (12 * config.depth * config.dim**2 + 2 * patch * config.dim)
    condition = config.dim**2 * (6 * config.depth + 2) + config.dim * (256 + config.dim)
    attention = 2 * config.depth * tokens**2 * config.dim
    return 3 * 2.0 * batch * (linear + condition + attention)


@dataclass
class Ours:
    """Our step, as the loop takes it: read, mirror, learn, average."""

    config: TrainingConfig
    device: Device
    images: Tensor

    def __post_init__(self) -> None:
        task = DiffusionTask(self.config, 1)
        self.learner = Learner(task, self.config, Execution(), self.device, Group())

    def __call__(self) -> None:
        """Take one step."""
        count = self.config.batch
        where = torch.randint(len(self.images), (count,))
        pixels = self.images[where].to(self.device.torch_device).float().div_(127.5).sub_(1)
        labels = torch.zeros(count, dtype=torch.long, device=self.device.torch_device)
        self.learner.advance(pixels, labels)


@dataclass
class Plain:
    """The predecessor's step, on the same model so that only the way of stepping differs."""

    config: TrainingConfig
    photos: list[Path]

    def __post_init__(self) -> None:
        torch.manual_seed(0)
        self.model = DiffusionTask(self.config, 1).build()
        self.average = {name: p.detach().clone() for name, p in self.model.named_parameters()}
        self.optimizer = torch.optim.AdamW(self.model.parameters(), foreach=False, fused=False)
        self.taken = 0

    def __call__(self) -> None:
        """Take one step."""
        images = torch.stack([self.decoded() for _ in range(self.config.batch)])
        noise, labels = torch.randn_like(images), torch.zeros(len(images), dtype=torch.long)
        time = draw_time(len(images), torch.default_generator)
        self.optimizer.zero_grad()
        flow_loss(self.model, images, labels, noise, time).per_image.mean().backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0, foreach=False)
        self.optimizer.step()
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                self.average[name] = 0.999 * self.average[name] + 0.001 * parameter

    def decoded(self) -> Tensor:
        """Return the next photo, decoded in full and made small."""
        self.taken += 1
        with Image.open(self.photos[self.taken % len(self.photos)]) as photo:
            small = photo.convert("RGB").resize(
                (self.config.image_size,) * 2, Image.Resampling.LANCZOS
            )
        return torch.from_numpy(np.array(small)).float() / 127.5 - 1


def steps(device: Device, options: argparse.Namespace) -> list[tuple[str, ...]]:
    """Return the rows about steps on a CPU."""
    config = resolve("dit", "dit128", batch=BATCH)
    photos = sorted((options.photos / "oxford_breeds").rglob("*.jpg"))
    images = torch.randint(0, 256, (64, 128, 128, 3), dtype=torch.uint8)
    ours, plain = Ours(config, device, images), Plain(config, photos)
    top = peak(device)
    fast, slow = float("inf"), float("inf")
    for _ in range(options.rounds):
        keep_freed_memory()
        fast = min(fast, best(ours, 1))
        give_memory_back()
        slow = min(slow, best(plain, 1))
    keep_freed_memory()
    share = step_operations(config, BATCH) / fast / top
    rows = [
        ("matmul peak", f"{top / 1e9:.0f} GFLOP/s", "-", "-", "-"),
        (
            "train step, 128 px model, batch 16",
            f"{fast:.3f} s, {BATCH / fast:.1f} images/s",
            f"the predecessor's way: {slow:.3f} s",
            f"{slow / fast:.2f} x",
            ">= 2.0 x (with bf16 in hardware)",
        ),
        ("the same as a share of the matmul peak", f"{share:.0%}", "-", "-", ">= 65 %"),
    ]
    rows += [threads_row(preset, options.rounds) for preset in ("smoke", "tiny")]
    torch.set_num_threads(options.threads)
    return rows


def give_memory_back() -> None:
    """Let malloc do what it does when nobody tells it anything else, once large tensors were freed.

    Its thresholds rise by themselves up to these: https://man7.org/linux/man-pages/man3/mallopt.3.html
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, 32 << 20)
        mallopt(M_TRIM_THRESHOLD, 64 << 20)


def threads_row(preset: str, rounds: int) -> tuple[str, ...]:
    """Return how fast a preset steps with one thread and with two."""
    config = resolve("dit", preset)
    images = torch.randint(0, 256, (64, config.image_size, config.image_size, 3), dtype=torch.uint8)
    found = []
    for threads in (1, 2):
        work = Ours(config, choose_device("auto", threads), images)
        found.append(best(lambda work=work: [work() for _ in range(10)], rounds) / 10)
    one, two = found
    return (
        f"step of `{preset}`, one thread",
        f"{1e3 * one:.1f} ms, {config.batch / one:.0f} images/s",
        f"two threads: {1e3 * two:.1f} ms",
        f"{two / one:.2f} x",
        "-",
    )


def gpu_step(device: Device, options: argparse.Namespace) -> list[tuple[str, ...]]:
    """Return the rows about a step of `dit128` on a GPU."""
    config = resolve("dit", "dit128", batch=options.gpu_batch)
    images = torch.randint(
        0, 256, (4096, 128, 128, 3), dtype=torch.uint8, device=device.torch_device
    )
    top = peak(device)
    ours = Ours(config, device, images)
    seconds = best(lambda: [ours() for _ in range(10)], options.rounds, torch.cuda.synchronize) / 10
    share = step_operations(config, options.gpu_batch) / seconds / top
    speed = f"{options.gpu_batch / seconds:,.0f} images/s"
    return [
        ("matmul peak", f"{top / 1e12:.0f} TFLOP/s", "-", "-", "-"),
        (
            f"step of `dit128`, batch {options.gpu_batch}",
            speed,
            "-",
            f"{share:.0%} of peak",
            ">= 30 %",
        ),
    ]


def tiny_quality(volume: Path, photos: Path) -> list[tuple[str, ...]]:
    """Return the row about 2,000 steps of `tiny` on real cats."""
    config = resolve("dit", "tiny")
    manifest = prepare(photos, volume, config.image_size)
    order = order_of(config, manifest, Execution(threads=os.cpu_count()))
    directory = TrainingDirectory.local(volume, order.key)
    with holding(directory.layout):
        ending = carried_here(directory, order, own_source(), Stop())
    distance = sampled_distance(directory, config)
    return [
        (
            "`tiny` on 4,000 cat faces, 2,000 steps",
            f"{ending.seconds:.0f} s; thumbnail distance of 1,000 samples {distance:.2f}",
            "noise 37, held-out photos 0.6",
            "-",
            "<= 140 s on 2 quiet cores; <= 2.0",
        )
    ]


def sampled_distance(directory: TrainingDirectory, config: TrainingConfig) -> float:
    """Return the thumbnail distance between 1,000 samples and the photos trained on."""
    order = directory.read_order()
    assert order is not None
    data = load(directory.root, order.data)
    average = read_weights(directory.store(order).entries()[-1], "ema")
    model = DiffusionTask(config, len(data.classes)).build().eval()
    model.load_state_dict(average)
    drawn = []
    for part in range(10):
        noise = torch.randn(100, *data.images.shape[1:], generator=generator(part, "distance"))
        labels = torch.zeros(100, dtype=torch.long)
        drawn.append(
            sample(model, noise, labels, null_class=len(data.classes), steps=config.sample_steps)
        )
    chosen = data.split()[0]
    reference = torch.from_numpy(np.asarray(data.images[chosen])).float() / 127.5 - 1
    return thumbnail_distance(torch.cat(drawn), reference)


if __name__ == "__main__":
    main()
