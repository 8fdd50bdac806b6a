"""A volume of the earlier layout is migrated where it lies, and loses nothing."""

import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors.torch import load_file

from training.__main__ import main
from training.data.shard import DatasetManifest, read_manifest
from training.data.sources import is_current, prepared_of
from training.errors import ConfigError
from training.learn.config import config_of
from training.own import order_of
from training.runner.ending import Ending
from training.runner.order import Order
from training.store.commit import commit_ending, verify_commit
from training.store.directory import TrainingDirectory, dataset_digests, trainings
from training.store.durable import sha256_of
from training.store.earlier import check_layout
from training.store.migrate import migrate
from training.store.volume import LocalVolume

pytestmark = pytest.mark.xdist_group("migrate")
"""One worker runs them: they share two trainings."""

ROOT = Path(__file__).parents[2]
LITTLE = ["steps=4", "save_every=2", "log_every=2", "sample_steps=2", "validate_every=4", "batch=4"]
LITTLE += ["warmup_steps=0", "judged_samples=0"]


def photos(folder: Path) -> Path:
    folder.mkdir()
    for index in range(6):
        Image.new("RGB", (20, 20), (40 * index, 100, 30)).save(folder / f"Bengal_{index}.png")
        Image.new("RGB", (20, 20), (9, 40 * index, 200)).save(folder / f"Persian_{index}.png")
    return folder


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory, benches: Any) -> Path:
    """A volume with a finished training that is committed, and one that was interrupted."""
    root = tmp_path_factory.mktemp("new")
    words = ["train", "--volume", str(root / "volume"), "--preset", "smoke"]
    words += ["--data", str(photos(root / "photos"))]
    assert main([*words, *LITTLE]) in (0, 1)  # whether its gates hold matters to nobody here
    (finished,) = trainings(LocalVolume(root / "volume"))
    commit_ending(finished)
    order = finished.read_order()
    assert order is not None
    manifest = read_manifest(finished.root, order.data)
    assert manifest is not None
    other = order_of(config_of({**order.settings, "seed": 1}), manifest)
    begun = TrainingDirectory(finished.volume, other.key)
    begun.write_order(other)
    begun.lock_path.touch()
    assert benches(finished.root, order.data).run(begun, deadline=1.0).status == "interrupted"
    return root


@pytest.fixture
def old(new: Path, tmp_path: Path) -> Path:
    """The same volume as the version before would have left it."""
    volume = Path(shutil.copytree(new / "volume", tmp_path / "volume"))
    for directory in trainings(LocalVolume(volume)):
        age_training(volume, directory)
    for digest in dataset_digests(LocalVolume(volume)):
        path = volume / "datasets" / digest
        stored = json.loads((path / "manifest.json").read_bytes())
        stored |= {"format": 1, "digest": stored.pop("content")}
        (path / "manifest.json").write_text(json.dumps(stored), encoding="utf-8")
        path.rename(path.with_name(stored["name"]))
    shutil.rmtree(volume / "datasets" / "sources")
    return volume


def age_training(volume: Path, directory: TrainingDirectory) -> None:
    order, ending = directory.read_order(), directory.read_ending()
    assert order is not None
    assert ending is not None
    config = config_of(order.settings)
    place = volume / "checkpoints" / config.model / directory.key
    place.parent.mkdir(parents=True, exist_ok=True)
    directory.checkpoints_path.rename(place)
    (place / "saved.jsonl").unlink()
    renamed = dict[str, str]()
    for path in sorted(place.glob("step-*")):
        file = path / "manifest.json"
        (path / "goap-manifest.json").rename(file)
        changed = (file, path / "state.json")
        before = [sha256_of(each) for each in changed]
        file.write_text(aged_manifest(path), "utf-8")
        renamed |= dict(zip(before, map(sha256_of, changed), strict=True))

    def aged_text(text: str) -> str:
        for before, now in renamed.items():
            text = text.replace(before, now)
        return text.replace(
            directory.checkpoints_name, f"checkpoints/{place.parent.name}/{place.name}"
        )

    what = {"config": config.model_dump(mode="json"), "dataset": order.label}
    (directory.path / "config.json").write_text(json.dumps(what), encoding="utf-8")
    result = json.dumps(aged_result(volume, order, ending))
    (directory.path / "result.json").write_text(aged_text(result), encoding="utf-8")
    commit = directory.root / directory.commit_name
    if commit.exists():
        text = aged_text(commit.read_text("utf-8")).replace("verdict.json", "result.json")
        text = text.replace("goap-manifest.json", "manifest.json")
        (volume / "commits").mkdir()
        (volume / "commits" / f"{directory.key}.json").write_text(text, encoding="utf-8")
        commit.unlink()
    for name in ("spec.json", "verdict.json", "settings.json", "account.jsonl"):
        (directory.path / name).unlink(missing_ok=True)
    for name in ("source", "beside"):
        shutil.rmtree(directory.path / name, ignore_errors=True)


def aged_manifest(path: Path) -> str:
    """What the version before wrote into a checkpoint; what its state did not say was there."""
    state = json.loads((path / "state.json").read_bytes())
    arithmetic, metrics = state.pop("arithmetic"), state.pop("metrics")
    (path / "state.json").write_text(json.dumps(state), encoding="utf-8")
    manifest = json.loads((path / "manifest.json").read_bytes())
    about = {"dtype": arithmetic["dtype"], "threads": arithmetic["threads"]}
    content = {
        **{name: manifest[name] for name in ("step", "files", "created")},
        **about,
        "format": 1,
        "metrics": metrics,
        "torch": arithmetic["torch"],
    }
    record = path / "state.json"
    size = record.stat().st_size
    content["files"]["state.json"] = {"sha256": sha256_of(record), "bytes": size}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return json.dumps({**content, "seal": hashlib.sha256(text.encode()).hexdigest()})


def aged_result(volume: Path, order: Order, ending: Ending) -> dict[str, Any]:
    """The result as the version before wrote it."""
    failure, checkpoint = ending.failure, ending.checkpoint
    about = {"name": order.label, "kind": "folder", "images": 12, "classes": 2, "skipped": 0}
    return {
        "training_key": order.key,
        "model": order.name,
        "preset": order.settings["preset"],
        "dataset": {**about, "digest": content_of(volume, order.data)},
        "status": ending.status,
        "step": ending.step,
        "target_step": ending.target_step,
        "failure": failure
        and {
            "failure_class": str(failure.failure_class),
            "name": failure.name,
            "message": failure.message,
            "step": ending.step,
        },
        "metrics": dict(ending.numbers),
        "gates": [dataclasses.asdict(gate) for gate in ending.gates],
        "checkpoint": checkpoint and dataclasses.asdict(checkpoint),
        "samples": None,
        "seconds": ending.seconds,
        "images_per_second": 1.0,
        "device": "cpu",
        "dtype": "float32",
        "threads": 1,
        "attempts": ending.attempts,
        "started": ending.started,
        "ended": ending.ended,
        "config_digest": "c",
        "source_digest": "s",
        "torch": "2",
    }


def content_of(volume: Path, digest: str) -> str:
    path = volume / "datasets" / digest / "manifest.json"
    return DatasetManifest.model_validate_json(path.read_bytes()).content


def everything(volume: Path) -> dict[str, str]:
    """Each file with its hash, but for what a look leaves behind."""
    files = [path for path in sorted(volume.rglob("*")) if path.is_file()]
    return {path.relative_to(volume).as_posix(): sha256_of(path) for path in files}


def keys(volume: Path) -> dict[str, str]:
    """How each training ended, by key."""
    results = {each.key: each.read_ending() for each in trainings(LocalVolume(volume))}
    return {key: result.status for key, result in results.items() if result is not None}


def test_old_trainings_stay_listed_verified_exported_and_sampled(
    old: Path, new: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--volume", str(old)]
    capsys.readouterr()
    assert main(["list", *place]) == 0
    said = capsys.readouterr()
    assert "earlier layout and is migrated" in said.err
    assert sorted(keys(old).values()) == ["completed", "interrupted"]
    assert keys(old) == keys(new / "volume")
    assert all(key in said.out for key in keys(old))
    assert "step-00000004" in said.out
    assert main(["verify", *place]) == 0
    assert "as written" in capsys.readouterr().out
    for key, status in keys(old).items():
        one = [*place, "--key", key]
        assert main(["export", *one, str(tmp_path / "x.safetensors")]) == 0
        assert main(["sample", *one, str(tmp_path / "x.png"), "--count", "2", "--steps", "1"]) == 0
        step = {"completed": "step 4", "interrupted": "step 1"}[status]
        assert step in capsys.readouterr().out
        mine = tmp_path / "y.safetensors"
        words = ["export", "--volume", str(new / "volume"), "--key", key, str(mine)]
        assert main(words) == 0
        theirs = load_file(tmp_path / "x.safetensors")
        assert all((theirs[name] == value).all() for name, value in load_file(mine).items())
    assert sorted(path.name for path in old.iterdir()) == ["datasets", "programs", "trainings"]


def test_the_commit_names_what_is_there_now(old: Path) -> None:
    assert migrate(old)
    (finished,) = [
        each for each in trainings(LocalVolume(old)) if keys(old)[each.key] == "completed"
    ]
    commit = verify_commit(finished)
    assert commit.checkpoint == finished.checkpoint_name(4)
    assert finished.result_name in commit.files


@pytest.mark.slow
def test_an_interrupted_training_of_the_old_layout_goes_on_to_the_same_weights(
    old: Path, new: Path, tmp_path: Path
) -> None:
    (key,) = [key for key, status in keys(new / "volume").items() if status == "interrupted"]
    whole = Path(shutil.copytree(new / "volume", tmp_path / "whole"))
    for volume in (old, whole):
        assert main(["train", "--volume", str(volume), "--key", key]) in (0, 1)
    first, second = (
        load_file(
            TrainingDirectory.local(each, key).checkpoints_path
            / "step-00000004"
            / "model.safetensors"
        )
        for each in (old, whole)
    )
    assert all((first[name] == second[name]).all() for name in second)


def test_what_the_folder_was_prepared_as_is_still_known(old: Path, new: Path) -> None:
    assert migrate(old)
    manifest = prepared_of(LocalVolume(old), new / "photos", 16)
    assert manifest is not None
    assert is_current(manifest, new / "photos")
    assert dataset_digests(LocalVolume(old)) == [manifest.digest]


def test_migrating_again_changes_nothing(old: Path) -> None:
    assert migrate(old)
    before = everything(old)
    assert not migrate(old)
    assert everything(old) == before


@pytest.mark.parametrize("where", ["nothing", "empty"])
def test_there_is_nothing_to_migrate_on_a_volume_without_anything(
    tmp_path: Path, where: str
) -> None:
    if where == "empty":
        (tmp_path / where).mkdir()
    assert not migrate(tmp_path / where)
    assert not (tmp_path / "nothing").exists()


KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from training.store.migrate import migrate
old, scratch = map(Path, sys.argv[1:])
left = 0
def count(event, arguments):
    global left
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT
    if event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir") or writes:
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
for step in range(200):
    shutil.copytree(old, scratch / str(step))
    child = os.fork()  # nothing else runs here, and starting anew for each place takes its time
    if child == 0:
        left = step
        sys.addaudithook(count)
        migrate(scratch / str(step))
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        sys.exit(0)
sys.exit("it made more changes than there are places to be killed at")
"""


def test_killed_before_any_change_the_next_one_ends_with_the_very_same_volume(
    old: Path, tmp_path: Path
) -> None:
    whole = Path(shutil.copytree(old, tmp_path / "whole"))
    assert migrate(whole)
    expected, scratch = everything(whole), tmp_path / "broken"
    scratch.mkdir()
    subprocess.run([sys.executable, "-c", KILLED, str(old), str(scratch)], cwd=ROOT, check=True)
    places = sorted(scratch.iterdir(), key=lambda path: int(path.name))
    assert len(places) > 20
    for broken in places:
        migrate(broken)
        left = {name: digest for name, digest in everything(broken).items() if "/.tmp-" not in name}
        assert left == expected, f"killed before change {broken.name}"


def test_a_running_training_of_the_old_layout_is_left_alone(old: Path) -> None:
    directory = next(iter(trainings(LocalVolume(old))))
    before = everything(old)
    hold = ["flock", str(directory.lock_path), "-c", "echo held; cat"]
    pipe = subprocess.PIPE
    with subprocess.Popen(hold, stdin=pipe, stdout=pipe) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ConfigError, match="runs in"):
            migrate(old)
        assert everything(old) == before
        holder.communicate(b"")
    assert migrate(old)


def test_two_names_of_the_same_photos_become_one_dataset(old: Path) -> None:
    (name,) = dataset_digests(LocalVolume(old))
    copy = Path(shutil.copytree(old / "datasets" / name, old / "datasets" / "zoo-16px"))
    stored = json.loads((copy / "manifest.json").read_bytes())
    stored |= {"name": "zoo-16px", "source": "/zoo"}
    (copy / "manifest.json").write_text(json.dumps(stored), encoding="utf-8")
    assert migrate(old)
    assert len(dataset_digests(LocalVolume(old))) == 1
    zoo = prepared_of(LocalVolume(old), "/zoo", 16)
    assert zoo is not None
    assert zoo.name == "zoo-16px"


def test_photos_that_changed_since_leave_the_old_model_without_wrong_classes(
    old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The old layout kept one dataset of a name: the newest content, whatever was trained on."""
    (name,) = dataset_digests(LocalVolume(old))
    path = old / "datasets" / name / "manifest.json"
    stored = json.loads(path.read_bytes())
    path.write_text(json.dumps(stored | {"digest": "0" * 64, "classes": ["red", "green"]}), "utf-8")
    for key in keys_of_old(old):
        out = str(tmp_path / "x.safetensors")
        assert main(["export", "--volume", str(old), "--key", key, out]) == 1
        assert "it names the classes" in capsys.readouterr().err
    assert main(["list", "--volume", str(old)]) == 0


def keys_of_old(volume: Path) -> list[str]:
    return [each.key for each in trainings(LocalVolume(volume))]


class Elsewhere(LocalVolume):
    """A volume that is not on this machine."""

    @property
    def local_root(self) -> Any:
        return None


def test_a_volume_elsewhere_is_refused_with_one_clear_line(old: Path) -> None:
    with pytest.raises(
        ConfigError, match="is of an earlier layout: checkpoints, commits"
    ) as caught:
        check_layout(Elsewhere(old))
    assert "modal volume get" in caught.value.fix
    migrate(old)
    check_layout(Elsewhere(old))


@pytest.mark.parametrize("look", ["plan", "status", "explain", "run"])
def test_a_command_of_the_engine_leaves_an_old_volume_as_it_is_and_says_how_to_migrate_it(
    look: str, old: Path, tmp_path: Path
) -> None:
    before = everything(old)
    goal = "trained_dit" if look == "explain" else "goal=trained_dit"
    words = [look, goal, f"volume={old}", f"state={tmp_path / 'state'}", f"repo={tmp_path}"]
    engine = [sys.executable, "-m", "agents", *words]
    asked = subprocess.run(engine, capture_output=True, text=True, check=False)
    assert asked.returncode == 2, asked.stderr
    assert f"{old} is of an earlier layout" in asked.stderr
    assert f"python -m training list --volume {old}" in asked.stderr
    assert everything(old) == before
