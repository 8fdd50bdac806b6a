"""Hardware, time and secrets that a call asks for, and what an image holds; seen by the client."""

from pathlib import Path
from typing import Any

import modal
import modal.exception
import pytest

from training.compute.loopback.client import ControlPlane

pytestmark = pytest.mark.xdist_group("modal")


@pytest.fixture
def look(plane: ControlPlane) -> Any:
    import probe

    if not hasattr(probe, "deployed"):
        probe.app.deploy()
        probe.deployed = True
    return modal.Function.from_name("probe", "look")


def hardware(plane: ControlPlane, call: str) -> dict[str, Any]:
    calls = plane.do("state")["calls"]
    found: dict[str, Any] = next(each["hardware"] for each in calls if each["call"] == call)
    return found


def test_a_call_has_the_hardware_the_time_and_the_secrets_it_was_made_with(
    plane: ControlPlane, look: Any
) -> None:
    modal.Secret.objects.create("key-of-cats", {"CATS_TOKEN": "meow"}, allow_existing=True)
    asked = {"gpu": "H100:2", "cpu": 2.0, "memory": 4096, "timeout": 100, "region": "us-east"}
    secrets = [modal.Secret.from_name("key-of-cats")]
    call = look.with_options(**asked, secrets=secrets).spawn()
    assert call.get(timeout=60)["credentials"] == ["CATS_TOKEN"]
    assert hardware(plane, call.object_id) == {
        **asked, "gpu": ["H100:2"], "region": ["us-east"], "secrets": 1,
        "cpu_most": 0.0, "memory_most": 0,
    }  # fmt: skip
    plain = look.spawn()
    assert plain.get(timeout=60)["credentials"] == []
    assert hardware(plane, plain.object_id)["gpu"] == []
    limited = look.with_options(cpu=(0.125, 8.0), memory=(128, 32768)).spawn()
    limited.cancel()
    found = hardware(plane, limited.object_id)
    assert (found["cpu"], found["cpu_most"]) == (0.125, 8.0)
    assert (found["memory"], found["memory_most"]) == (128, 32768)


def test_a_secret_that_nobody_made_is_missed_before_a_container_starts(
    plane: ControlPlane, look: Any
) -> None:
    before = plane.do("state")["containers_started"]
    with pytest.raises(modal.exception.NotFoundError, match="no-such-secret"):
        look.with_options(secrets=[modal.Secret.from_name("no-such-secret")]).spawn()
    assert plane.do("state")["containers_started"] == before


def test_a_folder_plays_a_bucket_whose_copy_is_read_and_which_is_written_where_that_is_asked(
    plane: ControlPlane, look: Any, tmp_path: Path
) -> None:
    touch = modal.Function.from_name("probe", "touch")
    (tmp_path / "big").mkdir()
    (tmp_path / "big" / "a.txt").write_text("a", encoding="utf-8")
    plane.do("bucket", name="cats-to-read", folder=str(tmp_path))
    read = modal.CloudBucketMount("cats-to-read", key_prefix="big/", read_only=True)
    write = modal.CloudBucketMount("cats-to-read", key_prefix="big/")
    asked = {"volumes": {"/cats": read, "/open": write}}
    seen = touch.with_options(**asked).remote(["cats/a.txt", "cats/b.txt", "open/c.txt"])
    assert seen == {"cats/a.txt": "a", "cats/b.txt": "new", "open/c.txt": "new"}
    assert sorted(path.name for path in (tmp_path / "big").iterdir()) == ["a.txt", "c.txt"]


def test_a_bucket_that_nothing_plays_is_missed_before_a_container_starts(
    plane: ControlPlane, look: Any
) -> None:
    before = plane.do("state")["containers_started"]
    with pytest.raises(modal.exception.NotFoundError, match="Bucket 'no-such-bucket'"):
        look.with_options(volumes={"/cats": modal.CloudBucketMount("no-such-bucket")}).spawn()
    assert plane.do("state")["containers_started"] == before


@pytest.mark.parametrize("gpu", ["CATS", "H100:9"])
def test_a_gpu_that_there_is_not_is_refused_when_it_is_asked_for(look: Any, gpu: str) -> None:
    with pytest.raises(modal.exception.InvalidError, match="GPU"):
        look.with_options(gpu=gpu).spawn()


def test_a_list_of_gpus_is_kept_in_the_order_it_is_wanted(plane: ControlPlane) -> None:
    import probe

    app = modal.App("wanted")
    app.function(gpu=["H100", "A100-80GB:2", "L4"], **probe.WHERE, name="listed")(probe.listed)
    app.deploy()
    call = modal.Function.from_name("wanted", "listed").spawn()
    assert hardware(plane, call.object_id)["gpu"] == ["H100", "A100-80GB:2", "L4"]
    call.cancel()


def test_18_an_image_holds_what_it_asks_for_with_what_that_needs_and_its_programs(
    plane: ControlPlane,
) -> None:
    import probe

    image = modal.Image.debian_slim(python_version="3.11").uv_pip_install("hypothesis>=6")
    app = modal.App("holds")
    app.function(image=image, include_source=True, name="holds")(probe.holds)
    app.deploy()
    seen = modal.Function.from_name("holds", "holds").remote(
        ["hypothesis", "sortedcontainers", "pytest"]
    )
    assert seen == {
        "modules": ["hypothesis", "sortedcontainers"],
        "in a child": ["hypothesis", "sortedcontainers"],
        "program": "hypothesis",
    }
