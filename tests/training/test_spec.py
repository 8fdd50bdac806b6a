"""What is trained is what its key is made of, or it is not believed."""

import json
from typing import Any

import pytest

from training.data.shard import read_manifest
from training.errors import ConfigError
from training.learn.config import resolve
from training.own import order_of
from training.store.directory import TrainingDirectory


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"steps": 9}},
        {"settings": {"learning_rate": 0.5}},
        {"parts": {"data": "0" * 64}},
        {"key": "0" * 16},
        {"parts": {"source": "0" * 64}},
    ],
)
def test_a_spec_that_is_not_what_its_key_says_is_refused(
    bench: Any, change: dict[str, Any]
) -> None:
    manifest = read_manifest(bench.volume, bench.dataset)
    assert manifest is not None
    directory = TrainingDirectory.local(bench.volume, "edited")
    directory.write_order(order_of(resolve("dit", "smoke", {}), manifest))
    path = directory.root / directory.spec_name
    stored = json.loads(path.read_bytes())
    for name, value in change.items():
        stored[name] = {**stored[name], **value} if isinstance(value, dict) else value
    path.write_text(json.dumps(stored), encoding="utf-8")
    with pytest.raises(ConfigError, match="not what key"):
        directory.read_order()


@pytest.mark.parametrize("name", ["keep_last", "judged_share"])
def test_what_is_in_no_key_may_be_changed_in_the_spec(bench: Any, name: str) -> None:
    manifest = read_manifest(bench.volume, bench.dataset)
    assert manifest is not None
    directory = TrainingDirectory.local(bench.volume, "kept")
    directory.write_order(order_of(resolve("dit", "smoke", {}), manifest))
    path = directory.root / directory.spec_name
    stored = json.loads(path.read_bytes())
    stored["settings"][name] = 1
    path.write_text(json.dumps(stored), encoding="utf-8")
    order = directory.read_order()
    assert order is not None
    assert order.settings[name] == 1
