"""What the version before wrote of our own two models is read as what is written now."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.training.conftest import StopAfter
from training.__main__ import main
from training.errors import ConfigError, FailureClass
from training.key import training_key
from training.store.directory import TrainingDirectory

LITTLE = {"steps": 4, "save_every": 2, "log_every": 2, "sample_steps": 1, "judged_samples": 0}


def aged(bench: Any, *, parts: bool = True) -> TrainingDirectory:
    """A training as the version before left it: with two steps done, sealed by itself."""
    directory = bench.make("new", **LITTLE)
    assert bench.run(directory, **stopped_after(2)).status == "interrupted"
    order = directory.read_order()
    assert order is not None
    made_of = dataclasses.replace(order.parts, command=("python", "-m", "training.learn"))
    key = training_key(made_of) if parts else "0123456789abcdef"
    old = TrainingDirectory.local(bench.volume, key)
    directory.path.rename(old.path)
    settings = {name: order.settings[name] for name in order.settings if name not in HOW}
    spec = {
        "format": 1,
        "key": key,
        "parts": dataclasses.asdict(made_of) if parts else None,
        "settings": settings,
        "data": order.data,
        "label": order.label,
        "kind": "synthetic",
    }
    (old.root / old.spec_name).write_text(json.dumps(spec), encoding="utf-8")
    (old.root / old.result_name).unlink()
    (checkpoint,) = old.checkpoints_path.glob("step-*")
    seal_as_before(checkpoint, key, order.data)
    return old


HOW = ("micro_batch", "threads", "device", "compile", "background_saves")


def stopped_after(steps: int) -> dict[str, Any]:
    return {"stop": StopAfter(steps)}


def seal_as_before(path: Path, key: str, data: str) -> None:
    """Format 2: the manifest says what the state says now."""
    state = json.loads((path / "state.json").read_bytes())
    arithmetic, metrics = state.pop("arithmetic"), state.pop("metrics")
    (path / "state.json").write_text(json.dumps(state), encoding="utf-8")
    (path / "goap-manifest.json").unlink()
    files = [file for file in sorted(path.iterdir()) if file.name != "manifest.json"]
    content = {
        "format": 2,
        "training_key": key,
        "data": data,
        "step": 2,
        "metrics": metrics,
        "files": {
            f.name: {
                "sha256": hashlib.sha256(f.read_bytes()).hexdigest(),
                "bytes": f.stat().st_size,
            }
            for f in files
        },
        "created": "2026-01-01T00:00:00+00:00",
        **arithmetic,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    seal = hashlib.sha256(text.encode()).hexdigest()
    manifest = json.dumps({**content, "seal": seal})
    (path / "manifest.json").write_text(manifest, encoding="utf-8")
    line = {"step": 2, "sha256": hashlib.sha256(manifest.encode()).hexdigest()}
    (path.parent / "saved.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")


@pytest.mark.parametrize("parts", [True, False])
def test_it_is_listed_verified_and_taken_out(
    bench: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], parts: bool
) -> None:
    old = aged(bench, parts=parts)
    place = ["--volume", str(bench.volume)]
    assert main(["list", *place]) == main(["verify", *place]) == 0
    assert old.key in capsys.readouterr().out
    out = tmp_path / "cats.safetensors"
    assert main(["export", *place, "--key", old.key, str(out)]) == 0
    assert "of step 2" in capsys.readouterr().out


def test_it_goes_on_from_its_checkpoint_to_the_weights_of_one_that_was_never_interrupted(
    bench: Any,
) -> None:
    whole = bench.make("whole", **LITTLE)
    bench.run(whole)
    old = aged(bench)
    order = old.read_order()
    assert order is not None
    old.write_order(dataclasses.replace(order, settings={**order.settings, "threads": 1}))
    assert main(["train", "--volume", str(bench.volume), "--key", old.key]) in (0, 1)
    ending = old.read_ending()
    assert ending is not None
    assert (ending.status, ending.step) == ("completed", 4)
    assert "Resuming at step 2 of 4" in old.log_path.read_text(encoding="utf-8")
    one, other = (
        each.root / each.checkpoint_name(4) / "model.safetensors" for each in (whole, old)
    )
    assert one.read_bytes() == other.read_bytes()


def test_an_order_that_is_not_what_its_key_was_made_of_is_refused(bench: Any) -> None:
    old = aged(bench)
    path = old.root / old.spec_name
    stored = json.loads(path.read_bytes())
    stored["settings"]["steps"] = 9
    path.write_text(json.dumps(stored), encoding="utf-8")
    with pytest.raises(ConfigError, match="not what key"):
        old.read_order()


def test_its_result_is_an_ending_that_the_gates_of_now_judge(bench: Any) -> None:
    old = aged(bench)
    result = {
        "training_key": old.key,
        "model": "classifier",
        "preset": "smoke",
        "dataset": {},
        "status": "failed",
        "step": 3,
        "target_step": 4,
        "failure": {
            "failure_class": "numeric",
            "name": "loss_collapsed",
            "message": "m",
            "step": 3,
        },
        "metrics": {"accuracy": 0.8, "chance": 0.25, "held_out": 40.0},
        "gates": [],
        "checkpoint": {"path": old.checkpoint_name(2), "step": 2, "sha256": "0"},
        "samples": None,
        "seconds": 2.5,
        "images_per_second": 10.0,
        "device": "cpu",
        "dtype": "float32",
        "threads": 1,
        "attempts": 1,
        "started": "a",
        "ended": "b",
        "config_digest": "c",
        "source_digest": "s",
        "torch": "2",
    }
    (old.root / old.result_name).write_text(json.dumps(result), encoding="utf-8")
    ending = old.read_ending()
    assert ending is not None
    assert ending.failure is not None
    assert (ending.failure.failure_class, ending.step) == (FailureClass.NUMERIC, 3)
    assert 0.25 < ending.numbers["accuracy_by_luck"] < 0.5
    assert ending.checkpoint is not None
    assert old.holds(ending.checkpoint)
