"""What lies on the volume is read once in a look, whichever sensors ask for it."""

import json
from collections import Counter
from pathlib import Path

import pytest

RECORDS = (".json", ".jsonl")


def reads_of(counts: Path, volume: Path) -> Counter[str]:
    """How often the last command opened each record of the volume, by its path below that."""
    last = json.loads(counts.read_text(encoding="utf-8").splitlines()[-1])
    found: Counter[str] = Counter()
    for path, count in last.items():
        if path.endswith(RECORDS) and Path(path).is_relative_to(volume):
            found[Path(path).relative_to(volume).as_posix()] += count
    return found


@pytest.fixture
def counted(finished, tmp_path):
    """The shared training's desk, what counts reads, and where they are told."""
    counts = tmp_path / "reads"
    path = f"{Path(__file__).with_name('reads')}:{Path(__file__).parents[2]}"
    return finished[0], {"READS": str(counts), "PYTHONPATH": path}, counts


def test_a_plan_reads_each_record_once(counted):
    desk, environment, counts = counted
    assert desk.run("plan", *desk.trained, **environment).code == 0
    reads = reads_of(counts, desk.volume)
    assert set(reads.values()) == {1}
    read = {Path(name).name for name in reads}
    assert {"verdict.json", "commit.json", "goap-manifest.json", "saved.jsonl"} <= read


def test_a_run_reads_each_record_at_most_once_in_each_of_its_looks(counted, desk):
    _, environment, counts = counted
    assert desk.run("run", *desk.trained, **environment).code == 0
    events = Counter(event.type for event in desk.events())
    # a look is an observation, a step that begins, one that ended, and each poll of the training
    looks = events["facts.observed"] + events["step.verified"]
    looks += events["step.started"] + events["step.finished"]
    reads = reads_of(counts, desk.volume)
    polled = {name: reads.pop(name) for name in list(reads) if is_polled(name)}
    assert max(reads.values()) <= looks, reads
    last = json.loads(counts.read_text(encoding="utf-8").splitlines()[-1])
    polls = sum(count for name, count in last.items() if name.endswith("/lock"))
    assert max(polled.values()) <= looks + polls, polled
    prepared = [name for name in reads if name.startswith("datasets/") and "sources" not in name]
    assert sum(reads[name] for name in prepared) <= 4
    assert sum(count for name, count in reads.items() if name.endswith("verdict.json")) <= 10


def is_polled(name: str) -> bool:
    """Whether following a training reads this, each time it looks how far it is."""
    return name.endswith(("metrics.jsonl", "owner.json", "spec.json"))
