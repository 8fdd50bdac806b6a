"""Measures the storage half of training and writes RESULTS-storage.md beside this file.

    python benchmarks/storage.py [--photos ../shared/data] [--directory DIR] [--rounds 5]

Data path: batches of 128 px photos from a prepared shard of 4,000 (196 MB), mirrored and turned
into floats by the trainer's own code, against decoding the original JPEG for every sample.
Checkpoint: 529 MB in three files against `torch.save` of the same tensors (not synced, not hashed).
The two alternate, each writes a new file, medians are reported. Then what the loop waits for: the
model of `dit128` with its optimizer and one average, also 529 MB, saved at once and in the
background, on the GPU if there is one.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from training.data.prepare import prepare
from training.data.shard import load
from training.data.sources import is_current
from training.key import KeyParts
from training.learn.config import Execution, resolve
from training.learn.device import choose_device
from training.learn.diffusion import DiffusionTask
from training.learn.learner import Learner
from training.learn.parallel import Group
from training.learn.photos import Photos
from training.learn.task import Draws
from training.runner.checkpoints import Store
from training.runner.order import Order
from training.runner.sealed import Checkpoint
from training.script.points import Arithmetic, Point
from training.script.saver import Saver
from training.store.fit import Tensors
from training.store.layout import LocalLayout
from training.store.tensorfile import read_tensors, write_files

HERE = Path(__file__).resolve().parent
SIZE = 128
BATCH = 64
PARAMETERS = 529_000_000 // 16  # model, one average, two moments of fp32


def main() -> None:
    """Measure everything and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, default=HERE.parents[1] / "shared" / "data")
    parser.add_argument("--directory", type=Path, default=None, help="disk to measure")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=options.directory) as scratch:
        rows = [
            *data_path(options.photos, Path(scratch)),
            *checkpoint(Path(scratch), options),
            *stalls(Path(scratch), options.rounds),
        ]
    lines = [
        "# Storage: measured results",
        "",
        (
            f"Written by `python benchmarks/storage.py` on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC: "
            f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
            f"torch {torch.__version__}; load average {os.getloadavg()[0]:.1f} "
            "(others were working on the machine when this is above 1)."
        ),
        "",
        "| work | measured | compared with | ratio | target |",
        "|---|---|---|---|---|",
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
    ]
    (HERE / "RESULTS-storage.md").write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


def data_path(photos: Path, scratch: Path) -> list[list[str]]:
    """Images per CPU-second, and how fast a folder is prepared and looked at."""
    began = time.process_time()
    manifest = prepare(photos / "catfaces64", scratch, SIZE)
    prepared = manifest.images / (time.process_time() - began)
    dataset = load(scratch, manifest.digest)
    cpu = torch.device("cpu")
    source = Photos(dataset, np.arange(len(dataset)), cpu, augment=True)
    shard = per_cpu_second(lambda step: len(source.batch(BATCH, Draws(0, step, 0, cpu))[0]))
    files = sorted((photos / "oxford_breeds").rglob("*.jpg"))
    full = per_cpu_second(lambda step: decode_full_size(files, step))
    looks = []
    for _ in range(5):
        began = time.perf_counter()
        assert is_current(manifest, photos / "catfaces64")
        looks.append(time.perf_counter() - began)
    return [
        [
            f"batches of {BATCH} from the shard, mirrored, {SIZE} px",
            f"{shard:,.0f} images/CPU-s",
            f"decoding full-size JPEG: {full:,.0f}",
            f"{shard / full:.0f} x",
            ">= 2,100",
        ],
        ["preparing 4,000 small JPEG", f"{prepared:,.0f} images/CPU-s", "-", "-", "-"],
        [
            "is a dataset of 4,000 files current?",
            f"{statistics.median(looks) * 1e3:.0f} ms",
            "-",
            "-",
            "< 50 ms",
        ],
    ]


def decode_full_size(files: list[Path], step: int) -> int:
    """What the predecessor did for each sample; returns the number of images."""
    for number in range(8):
        with Image.open(files[(step * 8 + number) % len(files)]) as image:
            small = image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.LANCZOS)
        pixels = np.asarray(small)
        torch.from_numpy(np.ascontiguousarray(pixels[:, ::-1])).float().div_(127.5).sub_(1)
    return 8


def per_cpu_second(work: Callable[[int], int], seconds: float = 4.0) -> float:
    """Items that `work(step)` does per second of this process's CPU time."""
    work(0)
    began, done, step = time.process_time(), 0, 0
    while time.process_time() - began < seconds:
        step += 1
        done += work(step)
    return done / (time.process_time() - began)


def state() -> dict[str, dict[str, torch.Tensor]]:
    """Tensors of a model, its average and its optimizer: 529 MB in matrices of 4 MB."""
    shapes = [1_000_000] * (PARAMETERS // 1_000_000) + [PARAMETERS % 1_000_000]
    model = {f"blocks.{i}.weight": torch.randn(n) for i, n in enumerate(shapes)}
    return {
        "model": model,
        "ema": {name: value * 0.9 for name, value in model.items()},
        "optimizer": {
            f"{name}.{moment}": torch.randn_like(value)
            for name, value in model.items()
            for moment in ("exp_avg", "exp_avg_sq")
        },
    }


def nothing(_step: int) -> dict[str, float]:
    """No measurements."""
    return {}


def passed_over(name: str, why: str) -> None:
    """Every checkpoint here is whole."""
    raise AssertionError(f"{name}: {why}")


def checkpoint(scratch: Path, options: argparse.Namespace) -> list[list[str]]:
    """Seconds to save and to restore."""
    torch.set_num_threads(os.cpu_count() or 1)
    tensors = state()
    size = sum(t.nbytes for group in tensors.values() for t in group.values())
    layout = LocalLayout(scratch, "0" * 16)
    parts = KeyParts((), {}, "", (), (), "", {}, "")
    store = Store(Order(layout.key, "measured", parts, {}, (), earlier=True), layout)
    plain: list[float] = []
    ours: list[float] = []
    warm: list[float] = []
    cold: list[float] = []
    proved: list[float] = []
    processor_seconds: list[float] = []
    for step in range(1, options.rounds + 1):
        os.sync()
        file = scratch / f"plain-{step}.pt"
        plain.append(timed(lambda path=file: torch.save(tensors, path)))
        file.unlink()
        os.sync()
        path = layout.root / layout.checkpoint_name(step)
        path.mkdir(parents=True)
        entries: list[Checkpoint] = []
        written = timed(lambda place=path: write_files(place, tensors, {}))
        sealed = timed(lambda found=entries: found.extend(store.seal_new(nothing, passed_over)))
        ours.append(written + sealed)
        before = time.process_time()
        proved.append(timed(store.newest_valid))
        processor_seconds.append(time.process_time() - before)
        warm.append(timed(lambda: restore(store, tensors)))
        drop_from_cache(entries[0].path)
        cold.append(timed(lambda: restore(store, tensors)))
        for path in entries[0].path.iterdir():
            path.unlink()
        entries[0].path.rmdir()
    save, base = statistics.median(ours), statistics.median(plain)
    return [
        [
            f"save {size / 1e6:.0f} MB: synced by the script, sealed by the runner",
            f"{save:.2f} s",
            f"torch.save, neither: {base:.2f} s",
            f"{save / base:.2f} x",
            "<= 1.6 x",
        ],
        [
            "restore with checksum, tensors mapped, file in the page cache",
            f"{statistics.median(proved):.2f} s (best {min(proved):.2f} s)",
            f"{statistics.median(processor_seconds):.2f} CPU-s, nearly all sha256",
            "-",
            "<= 0.4 s",
        ],
        [
            "restore with checksum, copied into the model, file in the page cache",
            f"{statistics.median(warm):.2f} s (best {min(warm):.2f} s)",
            "-",
            "-",
            "-",
        ],
        [
            "the same, file dropped from the page cache",
            f"{statistics.median(cold):.2f} s",
            "-",
            "-",
            "-",
        ],
    ]


def stalls(scratch: Path, rounds: int) -> list[list[str]]:
    """Seconds the loop waits for a checkpoint, with the GPU's own waiting, if there is one."""
    device = choose_device("auto")
    config = resolve("dit", "dit128", ema_stds="0.1")
    learner = Learner(DiffusionTask(config, 1), config, Execution(), device, Group())
    size = sum(t.nbytes for part in learner.tensors().values() for t in part.values())
    sync = torch.cuda.synchronize if device.is_gpu else lambda: None
    rows = []
    for background, words in ((False, "at once"), (True, "in the background")):
        saver = Saver(InStore(scratch / words), background=background)
        saver.reserve(learner.tensors())
        found = []
        for _ in range(rounds):
            learner.step += 1
            sync()
            found.append(timed(lambda saver=saver: (saver.save(point(learner)), sync())))
            saver.wait()
        saver.close()
        target = "<= 0.10 s on a GPU" if background else "-"
        where = "GPU" if device.is_gpu else "CPU"
        rows.append(
            [
                f"loop stall, {size / 1e6:.0f} MB saved {words}, {where}",
                f"{statistics.median(found):.3f} s (worst {max(found):.3f} s)",
                "-",
                "-",
                target,
            ]
        )
    return rows


def restore(store: Store, tensors: dict[str, dict[str, torch.Tensor]]) -> None:
    """Verify the newest checkpoint, and copy it to where a model has it."""
    entry = store.newest_valid()
    assert entry is not None
    for stem, part in tensors.items():
        for name, tensor in read_tensors(entry.path / f"{stem}.safetensors").items():
            part[name].copy_(tensor)


def drop_from_cache(directory: Path) -> None:
    """Make the next read of these files come from the disk."""
    for path in directory.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def point(learner: Learner) -> Point:
    """What is saved of a learner."""
    return Point(learner.step, learner.tensors(), None, 0.0, {}, Arithmetic())


class InStore:
    """Keeps points in a directory.

    Args:
        root: Where.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def newest(self, into: Tensors) -> Point | None:
        """None: every measurement begins anew."""

    def keep(self, point: Point) -> None:
        """Write it."""
        path = self._root / str(point.step)
        path.mkdir(parents=True)
        write_files(path, point.tensors, {})


def timed(work: Callable[[], object]) -> float:
    """Wall-clock seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def processor() -> str:
    """The processor's name."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    main()
