"""Checkpoints: whole or absent, whatever happens while they are written."""

import fcntl
import json
import os
import pickle
import random
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from training.errors import CheckpointError, DiskFull, FailureClass
from training.store.checkpoints import CheckpointStore, Entry
from training.store.durable import sha256_of
from training.store.manifest import Arithmetic, CheckpointManifest, FileRecord

KINDS = (
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.uint8,
    torch.bool,
)


def tensors(seed: int = 0, size: int = 64) -> dict[str, dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    model = {f"layer{i}.weight": torch.randn(size, size, generator=generator) for i in range(3)}
    return {
        "model": model,
        "ema": {name: value * 0.5 for name, value in model.items()},
        "optimizer": {f"{name}.exp_avg": value.square() for name, value in model.items()},
    }


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    return CheckpointStore(tmp_path / "checkpoints" / "dit" / "key")


def same(
    left: dict[str, dict[str, torch.Tensor]], right: dict[str, dict[str, torch.Tensor]]
) -> bool:
    return left.keys() == right.keys() and all(
        left[stem].keys() == right[stem].keys()
        and all(torch.equal(left[stem][name], right[stem][name]) for name in left[stem])
        for stem in left
    )


def directories(store: CheckpointStore) -> list[str]:
    """What lies in a store, beside the list of what was saved."""
    there = sorted(path.name for path in store.root.iterdir())
    return [name for name in there if name != "saved.jsonl"]


def reports(store: CheckpointStore) -> tuple[Entry | None, dict[str, str]]:
    said: dict[str, str] = {}
    return store.newest_valid(lambda path, why: said.update({path.name: why})), said


def test_what_was_written_is_read_back_to_the_last_bit(store: CheckpointStore) -> None:
    entry = store.write(
        50, tensors(), {"step": 50, "note": "é"}, {"loss": 0.25}, arithmetic=Arithmetic(threads=2)
    )
    found, state = store.read(entry)
    assert same(found, tensors())
    assert state == {"step": 50, "note": "é"}
    assert entry == store.newest_valid()
    assert (entry.step, entry.manifest.metrics, entry.manifest.threads) == (50, {"loss": 0.25}, 2)
    assert entry.path.name == "step-00000050"


def test_the_files_are_what_the_safetensors_library_reads(store: CheckpointStore) -> None:
    odd = {f"t{i}": torch.arange(5).to(kind) for i, kind in enumerate(KINDS)}
    odd["empty"] = torch.empty(0, 3)
    odd["scalar"] = torch.tensor(2.5)
    odd["strided"] = torch.arange(12.0).reshape(3, 4).t()
    odd["gradient"] = torch.nn.Parameter(torch.ones(2))
    entry = store.write(1, {"model": odd}, {})
    found = load_file(entry.path / "model.safetensors")
    assert found.keys() == odd.keys()
    assert all(found[name].dtype == odd[name].dtype for name in odd)
    assert all(torch.equal(found[name], odd[name]) for name in odd)


def test_only_the_file_that_is_asked_for_is_read(store: CheckpointStore) -> None:
    entry = store.write(1, tensors(), {"a": 1})
    (entry.path / "optimizer.safetensors").write_bytes(b"broken")
    found, state = store.read(entry, only={"ema"})
    assert list(found) == ["ema"]
    assert state == {"a": 1}
    with pytest.raises(CheckpointError, match="holds no classifier"):
        store.read(entry, only={"classifier"})


def test_tensors_survive_the_deletion_of_their_checkpoint(store: CheckpointStore) -> None:
    entry = store.write(1, tensors(), {})
    found, _ = store.read(entry)
    for file in entry.path.iterdir():
        file.unlink()
    found["model"]["layer0.weight"].add_(0.0)
    assert same(found, tensors())


def test_a_store_that_was_never_written_holds_nothing(store: CheckpointStore) -> None:
    assert store.entries() == ()
    assert store.newest_valid() is None
    assert store.restore() is None
    assert store.clean() == ()


def test_steps_sort_by_the_manifest_and_not_by_date(store: CheckpointStore) -> None:
    for step in (900, 1000, 150):
        entry = store.write(step, tensors(), {})
        os.utime(entry.path, (step % 7, step % 7))
    assert [entry.step for entry in store.entries()] == [150, 900, 1000]


def flip_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def lengthen(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\0")


@pytest.mark.parametrize("file", ["model.safetensors", "state.json", "manifest.json"])
@pytest.mark.parametrize("damage", [flip_bit, truncate, Path.unlink, lengthen])
def test_a_damaged_checkpoint_is_reported_and_the_one_before_is_used(
    store: CheckpointStore, damage: Callable[[Path], None], file: str
) -> None:
    good = store.write(10, tensors(1), {"step": 10})
    bad = store.write(20, tensors(2), {"step": 20})
    damage(bad.path / file)
    entry, said = reports(store)
    assert entry == good
    assert list(said) == ["step-00000020"]
    restored = store.restore()
    assert restored is not None
    assert restored.state == {"step": 10}


def test_what_is_not_a_checkpoint_is_reported_and_passed_over(store: CheckpointStore) -> None:
    good = store.write(10, tensors(), {})
    (store.root / "notes").mkdir()
    (store.root / "step-00000099").mkdir()
    (store.root / "step-00000098").mkdir()
    (store.root / "step-00000098" / "manifest.json").write_text("[]", encoding="utf-8")
    (store.root / "file").write_text("", encoding="utf-8")
    subprocess.run(["cp", "-r", good.path, store.root / "step-00000011"], check=True)
    entry, said = reports(store)
    assert entry == good
    assert sorted(said) == ["notes", "step-00000011", "step-00000098", "step-00000099"]
    assert "copy of step 10" in said["step-00000011"]


def test_a_manifest_without_its_files_is_no_checkpoint(store: CheckpointStore) -> None:
    entry = store.write(10, tensors(), {})
    for file in entry.path.glob("*.safetensors"):
        file.unlink()
    found, said = reports(store)
    assert found is None
    assert "No such file" in said["step-00000010"]


def test_a_manifest_that_names_files_elsewhere_is_refused(store: CheckpointStore) -> None:
    secret = store.root.parent / "secret.safetensors"
    entry = store.write(10, tensors(), {})
    secret.write_bytes(b"x")
    files = {**entry.manifest.files, "../secret.safetensors": FileRecord(sha256="0", bytes=1)}
    forged = entry.manifest.model_copy(update={"files": files}).sealed()
    (entry.path / "manifest.json").write_text(forged.model_dump_json(), encoding="utf-8")
    found, said = reports(store)
    assert found is None
    assert "outside" in said["step-00000010"]


def test_a_linked_file_is_no_part_of_a_checkpoint(store: CheckpointStore) -> None:
    entry = store.write(10, tensors(), {})
    file = entry.path / "model.safetensors"
    file.rename(store.root / "elsewhere")
    file.symlink_to(store.root / "elsewhere")
    found, said = reports(store)
    assert found is None
    assert list(said) == ["step-00000010"]


def test_a_linked_directory_is_not_a_checkpoint(store: CheckpointStore, tmp_path: Path) -> None:
    other = CheckpointStore(tmp_path / "other").write(10, tensors(), {})
    store.root.mkdir(parents=True)
    (store.root / "step-00000010").symlink_to(other.path)
    assert store.entries() == ()


def test_weights_only_false_no_pickle_is_ever_loaded(
    store: CheckpointStore, tmp_path: Path
) -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, ...]:
            return (os.mkdir, (str(tmp_path / "executed"),))

    entry = store.write(10, tensors(), {})
    file = entry.path / "model.safetensors"
    file.write_bytes(pickle.dumps(Payload()))
    record = FileRecord(sha256=sha256_of(file), bytes=file.stat().st_size)
    files = {**entry.manifest.files, "model.safetensors": record}
    forged = entry.manifest.model_copy(update={"files": files}).sealed()
    (entry.path / "manifest.json").write_text(forged.model_dump_json(), encoding="utf-8")
    with pytest.raises(CheckpointError, match="safetensors format"):
        store.read(Entry(entry.path, forged, entry.sha256))
    assert store.restore() is None
    assert not (tmp_path / "executed").exists()


@contextmanager
def child(work: Callable[[], object]) -> Iterator[int]:
    """A forked process doing `work`; gone at the end of the block."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(1)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def fail(path: Path, why: str) -> None:
    raise AssertionError(f"{path.name}: {why}")


def test_torch_save_corrupt_killed_at_any_moment_the_newest_valid_one_stays(
    store: CheckpointStore,
) -> None:
    """A predecessor wrote onto its only file: killed while saving, 6 of 6 were corrupt."""
    first = store.write(1, tensors(1), {"step": 1})
    # Made before the fork: a forked process must not enter torch's thread pool.
    prepared = [tensors(seed, size=256) for seed in range(4)]
    done, report = os.pipe()

    def keep_saving() -> None:
        step = 2
        while True:
            store.write(step, prepared[step % 4], {"step": step})
            os.write(report, step.to_bytes(4, "big"))
            step += 1

    delays = random.Random(5)
    for _ in range(15):
        with child(keep_saving):
            finished = int.from_bytes(os.read(done, 4), "big")
            time.sleep(delays.uniform(0.0, 0.03))
        os.set_blocking(done, False)
        try:
            while more := os.read(done, 4):
                finished = int.from_bytes(more, "big")
        except BlockingIOError:
            os.set_blocking(done, True)
        restored = store.restore(report=fail)
        assert restored is not None
        assert restored.entry.step >= finished
        assert same(restored.tensors, prepared[restored.entry.step % 4])
        for entry in store.entries()[1:]:
            subprocess.run(["rm", "-r", entry.path], check=True)
    os.close(done)
    os.close(report)
    assert store.newest_valid() == first
    assert directories(store) == [first.path.name]


def test_killed_before_the_rename_only_the_temporary_directory_is_lost(
    store: CheckpointStore,
) -> None:
    store.write(1, tensors(1), {})
    prepared = tensors(2)
    pid = os.fork()
    if pid == 0:
        store.write(2, prepared, {}, before_rename=lambda _: os.kill(os.getpid(), signal.SIGKILL))
    os.waitpid(pid, 0)
    left = [path for path in store.root.iterdir() if path.name.startswith(".tmp-")]
    assert len(left) == 1
    assert (left[0] / "manifest.json").exists()
    entry, said = reports(store)
    assert entry is not None
    assert (entry.step, said) == (1, {})
    assert store.clean() == (left[0],)
    assert directories(store) == ["step-00000001"]


def test_what_a_living_writer_writes_is_not_cleaned(store: CheckpointStore) -> None:
    def look(temporary: Path) -> None:
        assert CheckpointStore(store.root).clean() == ()
        assert temporary.exists()
        CheckpointStore(store.root).write(7, tensors(7), {"by": "the other"})

    store.write(8, tensors(8), {}, before_rename=look)
    assert [entry.step for entry in store.entries()] == [7, 8]
    assert store.newest_valid() is not None


def test_a_checkpoint_of_the_same_step_is_replaced(store: CheckpointStore) -> None:
    store.write(5, tensors(1), {"n": 1})
    store.write(5, tensors(2), {"n": 2})
    restored = store.restore()
    assert restored is not None
    assert restored.state == {"n": 2}
    assert directories(store) == ["step-00000005"]


def test_killed_between_the_renames_of_a_replacement_the_old_one_comes_back(
    store: CheckpointStore,
) -> None:
    entry = store.write(5, tensors(1), {"n": 1})
    entry.path.rename(store.root / ".old-step-00000005")
    restored = store.restore()
    assert restored is not None
    assert restored.state == {"n": 1}


@contextmanager
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("a small file system can only be mounted by root")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_on_a_full_disk_nothing_is_left_behind_and_the_old_one_stays(tmp_path: Path) -> None:
    with small_disk(tmp_path) as place:
        store = CheckpointStore(place / "run")
        first = store.write(1, tensors(), {})
        with pytest.raises(DiskFull, match="bytes free") as caught:
            store.write(2, tensors(size=512), {})
        assert caught.value.failure_class is FailureClass.RESOURCE
        assert str(place) in caught.value.message
        assert directories(store) == [first.path.name]
        assert store.newest_valid() == first
        store.write(3, tensors(), {})


def test_a_file_size_limit_is_a_full_disk_too(store: CheckpointStore) -> None:
    store.write(1, tensors(), {})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, before[1]))
    try:
        with pytest.raises(DiskFull):
            store.write(2, tensors(size=512), {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert directories(store) == ["step-00000001"]


def test_an_error_in_the_middle_leaves_nothing_behind(store: CheckpointStore) -> None:
    with pytest.raises(ValueError, match="cannot be saved"):
        store.write(1, {"model": {"x": torch.zeros(2, dtype=torch.complex64)}}, {})
    with pytest.raises(ValueError, match="JSON"):
        store.write(1, tensors(), {"loss": float("nan")})
    assert directories(store) == []


def test_the_manifest_says_what_exact_resume_depends_on(store: CheckpointStore) -> None:
    entry = store.write(1, tensors(), {}, arithmetic=Arithmetic("bf16", 3, 16, 2))
    stored = json.loads((entry.path / "manifest.json").read_text(encoding="utf-8"))
    assert (stored["dtype"], stored["threads"], stored["torch"]) == ("bf16", 3, torch.__version__)
    assert (stored["micro_batch"], stored["processes"]) == (16, 2)
    assert CheckpointManifest.model_validate(stored).sealed() == entry.manifest
    assert entry.sha256 == sha256_of(entry.path / "manifest.json")
    assert entry.bytes == sum(
        path.stat().st_size for path in entry.path.iterdir() if path.name != "manifest.json"
    )


def test_a_lock_of_a_dead_process_does_not_outlive_it(store: CheckpointStore) -> None:
    store.root.mkdir(parents=True)
    place = store.root / ".tmp-step-00000001-1-abc"
    place.mkdir()
    descriptor = os.open(place, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    assert store.clean() == ()
    os.close(descriptor)
    assert store.clean() == (place,)
