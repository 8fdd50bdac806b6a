"""A script calls its files what it likes: the manifest of a checkpoint is beside them."""

import hashlib
import json
import shutil

import pytest

from tests.runner.conftest import EXACT
from training.runner.checkpoints import Store
from training.runner.keep import Keep

OWN = EXACT.replace(
    'json.loads((checkpoint / "state.json").read_text())',
    'json.loads((checkpoint / "manifest.json").read_text())["state"]',
).replace(
    '(directory / "state.json").write_text(json.dumps(state))',
    '(directory / "manifest.json").write_text(json.dumps({"format": 7, "state": state}))\n'
    '            (directory / "part").mkdir()\n'
    '            (directory / "part" / "manifest.json").write_text("[]")',
)


def go_on(tiny):
    """Let the next attempt begin from what is saved."""
    tiny.layout.verdict_path.unlink()
    (tiny.layout.path / "result.json").unlink()
    return tiny.carry(code=0)


def earlier(tiny, step, key=None):
    """Let a checkpoint be one of format 3, in which its manifest was called as one of a script."""
    path = tiny.layout.path / "checkpoints" / f"step-{step:08d}"
    content = json.loads((path / "goap-manifest.json").read_text()) | {"format": 3}
    content |= {"training_key": key or content["training_key"]}
    del content["seal"]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    manifest = json.dumps({**content, "seal": hashlib.sha256(text.encode()).hexdigest()})
    (path / "goap-manifest.json").unlink()
    (path / "manifest.json").write_text(manifest)
    lines = map(json.loads, tiny.layout.saved_path.read_text().splitlines())
    kept = [json.dumps(line) + "\n" for line in lines if line["step"] != step]
    line = {"step": step, "sha256": hashlib.sha256(manifest.encode()).hexdigest()}
    tiny.layout.saved_path.write_text("".join((*kept, json.dumps(line) + "\n")))
    return path


def test_a_manifest_of_the_script_itself_is_sealed_and_restored_like_any_other_file(training):
    tiny = training(OWN, keep=Keep(last=9))
    whole = tiny.carry(code=0)
    newest = tiny.checkpoints[-1]
    assert sorted(newest.files) == ["manifest.json", "part/manifest.json"]
    shutil.rmtree(newest.path)
    again = go_on(tiny)
    assert "Resuming at step 15 of 20" in tiny.log
    assert "passed over" not in tiny.log
    assert again.numbers["state"] == whole.numbers["state"]


def test_damage_to_a_manifest_of_the_script_itself_is_found(training):
    tiny = training(OWN, keep=Keep(last=9))
    tiny.carry(code=0)
    (tiny.checkpoints[-1].path / "manifest.json").write_text('{"state": 1}')
    go_on(tiny)
    assert "step-00000020 is passed over: manifest.json has 12 bytes" in tiny.log
    assert "Resuming at step 15 of 20" in tiny.log


def test_checkpoints_of_the_format_before_are_gone_on_from_and_pruned(training):
    tiny = training(keep=Keep(last=9))
    whole = tiny.carry(code=0)
    newest = tiny.checkpoints[-1].path
    for step in (10, 15):
        earlier(tiny, step)
    shutil.rmtree(newest)
    assert tiny.steps == [5, 10, 15]
    tiny.ordered(keep=Keep(last=2))
    assert go_on(tiny).numbers["state"] == whole.numbers["state"]
    assert "Resuming at step 15 of 20" in tiny.log
    assert tiny.steps == [15, 20]


@pytest.mark.parametrize("how", ["flipped", "truncated", "of another training"])
def test_a_manifest_of_the_format_before_that_is_damaged_or_foreign_is_no_file_of_a_script(
    training, how
):
    tiny = training(keep=Keep(last=9))
    tiny.carry(code=0)
    path = earlier(tiny, 20, "0123456789abcdef" if how == "of another training" else None)
    text = (path / "manifest.json").read_text()
    if how == "flipped":
        (path / "manifest.json").write_text(text.replace('"step": 20', '"step": 21'))
    elif how == "truncated":
        (path / "manifest.json").write_text(text[:-9])
    else:  # it was never saved here
        lines = tiny.layout.saved_path.read_text().splitlines(keepends=True)
        tiny.layout.saved_path.write_text("".join(lines[:-1]))
    said = {}
    store = Store(tiny.order, tiny.layout)
    assert store.seal_new(lambda _step: {}, said.__setitem__) == []
    assert store.newest_valid(said.__setitem__).step == 15
    assert list(said) == ["step-00000020"]
