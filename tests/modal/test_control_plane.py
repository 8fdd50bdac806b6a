"""What the control plane does to containers and calls, seen by the real client.

What can be seen without asking the control plane for a fault is asked of the real cloud too, when
GOAP_TEST_CLOUD=1 and there is a token: ``-m cloud``. CPU functions only.
"""

import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import modal
import modal.exception
import pytest
from conftest import until

from training.compute.loopback.client import ControlPlane

pytestmark = pytest.mark.xdist_group("modal")


def deployed() -> Any:
    import probe

    if not hasattr(probe, "deployed"):
        probe.app.deploy()
        probe.deployed = True
    return lambda name: modal.Function.from_name(probe.app.name, name)


@pytest.fixture
def probe(plane: ControlPlane) -> Any:
    """The functions of the probe, in the control plane."""
    return deployed()


@pytest.fixture(params=["loopback", pytest.param("cloud", marks=pytest.mark.cloud)])
def anywhere(request: pytest.FixtureRequest) -> Any:
    """The functions of the probe, in the control plane or in the cloud."""
    if request.param == "loopback":
        request.getfixturevalue("plane")
    elif os.environ.get("GOAP_TEST_CLOUD") != "1":
        pytest.skip("GOAP_TEST_CLOUD=1 and a token of Modal are needed")
    return deployed()


def fresh(name: str) -> str:
    """A name that no earlier run used: the cloud keeps what it was told."""
    return f"{name}-{uuid.uuid4().hex[:8]}"


def read(path: str) -> str | None:
    try:
        return b"".join(modal.Volume.from_name("probe").read_file(path)).decode()
    except FileNotFoundError:
        return None


def running(plane: ControlPlane, call: str) -> dict[str, Any]:
    def find() -> Any:
        found = plane.do("state")["containers"].values()
        return next((each for each in found if each["call"] == call and each["process"]), None)

    found: dict[str, Any] = until(find)
    return found


def test_a_container_has_no_credentials_and_only_what_was_mounted(probe: Any) -> None:
    seen = probe("look").remote()
    assert seen["credentials"] == []
    assert (seen["agents"], seen["training"], seen["torch"]) == (False, False, False)
    assert seen["call"].startswith("fc-")


def test_what_was_not_committed_dies_with_its_container(plane: ControlPlane, probe: Any) -> None:
    call = probe("write").spawn("killed", "sleep")
    until(lambda: read("killed.committed"))
    plane.do("kill", fate="out_of_memory", call=call.object_id)
    assert call.get(timeout=300) == 2  # the same input again, in another container
    assert read("killed.committed") == "2"
    assert read("killed.lost") == "2"  # committed when a container ends by itself


def test_a_failure_of_a_spawned_call_is_retried_by_the_server(anywhere: Any) -> None:
    assert anywhere("fail").spawn(fresh("twice"), 2).get(timeout=300) == 3


def test_a_failure_of_a_remote_call_is_retried_by_the_client(anywhere: Any) -> None:
    assert anywhere("fail").remote(fresh("once"), 1) == 2


def test_more_failures_than_retries_are_the_callers(anywhere: Any) -> None:
    name = fresh("often")
    with pytest.raises(ValueError, match="attempt 3"):
        anywhere("fail").spawn(name, 9).get(timeout=300)
    assert read(f"{name}.attempts") == "3"


def test_a_call_that_takes_too_long_is_cancelled(anywhere: Any) -> None:
    name = fresh("late")
    with pytest.raises(modal.exception.FunctionTimeoutError):
        anywhere("slow").spawn(name).get(timeout=300)
    assert read(f"{name}.felt") == "InputCancellation"


def test_a_cancelled_call_feels_it(anywhere: Any) -> None:
    name = fresh("cancelled")
    call = anywhere("waits").spawn(name)
    until(lambda: read(f"{name}.attempts"), 120)
    call.cancel()
    with pytest.raises(modal.exception.Error):
        call.get(timeout=300)
    until(lambda: read(f"{name}.felt") == "InputCancellation")


def test_of_many_who_claim_the_same_thing_one_is_first(anywhere: Any) -> None:
    claims = modal.Dict.from_name("probe", create_if_missing=True)
    name = fresh("claim")
    with ThreadPoolExecutor(8) as pool:
        first = list(pool.map(lambda n: claims.put(name, n, skip_if_exists=True), range(8)))
    assert sorted(first) == [False] * 7 + [True]
    assert claims.get(name) == first.index(True)
    claims.pop(name)


def test_a_call_that_is_asked_for_again_is_found_by_its_id_from_anywhere(anywhere: Any) -> None:
    call = anywhere("fail").spawn(fresh("again"), 0)
    assert call.get(timeout=300) == 1
    assert modal.FunctionCall.from_id(call.object_id).get(timeout=300) == 1


def test_a_preempted_call_feels_an_interrupt_and_starts_again(
    plane: ControlPlane, probe: Any
) -> None:
    call = probe("waits").spawn("preempted")
    until(lambda: read("preempted.attempts"))
    plane.do("kill", fate="preempted", call=call.object_id)
    assert call.get(timeout=300) is None
    assert read("preempted.felt") == "KeyboardInterrupt"
    assert read("preempted.attempts") == "2"


def test_a_volume_with_open_files_is_not_reloaded(anywhere: Any) -> None:
    assert "open files" in anywhere("reload_open").remote("open")


def test_a_remote_call_dies_with_its_caller_and_a_spawned_one_does_not(
    plane: ControlPlane, probe: Any, python: Any
) -> None:
    code = "import modal, sys\nf = modal.Function.from_name('probe', 'waits')\n"
    spawned = python(plane, f"{code}print(f.spawn('outlives').object_id)").communicate()[0].strip()
    remote = python(plane, f"{code}f.remote('dies')")
    until(lambda: read("dies.attempts"))
    remote.kill()
    remote.communicate()
    until(lambda: read("dies.felt"))
    assert read("dies.felt") == "InputCancellation"
    assert running(plane, spawned)
    modal.FunctionCall.from_id(spawned).cancel()


def test_a_result_that_is_too_old_has_expired(plane: ControlPlane, probe: Any) -> None:
    call = probe("look").spawn()
    call.get(timeout=300)
    plane.do("expire", call=call.object_id)
    with pytest.raises(modal.exception.OutputExpiredError):
        modal.FunctionCall.from_id(call.object_id).get(timeout=0)


def test_a_request_that_is_repeated_is_done_once(plane: ControlPlane, probe: Any) -> None:
    before = len(plane.do("state")["calls"])
    plane.do("fault", rpc="FunctionMap", kind="lost")
    probe("look").spawn().get(timeout=300)
    assert len(plane.do("state")["calls"]) == before + 1


def test_the_command_line_takes_what_the_control_plane_does() -> None:
    from training.compute.loopback.__main__ import WORDS
    from training.compute.loopback.web import _Web

    assert {f"do_{word}" for word in WORDS} == {each for each in dir(_Web) if each[:3] == "do_"}


def test_what_is_not_answered_says_so(
    plane_of_all: ControlPlane, plane: ControlPlane, python: Any
) -> None:
    code = (
        "import modal\nmodal.NetworkFileSystem.from_name('n', create_if_missing=True).listdir('/')"
    )
    said = python(plane, code).communicate()[1]
    assert "does not know SharedVolumeGetOrCreate (network file systems" in said
    assert plane.do("forget")["unimplemented"] == {}


def test_the_control_plane_comes_back_with_what_it_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python: Any
) -> None:
    import os
    import signal

    from training.compute.loopback.client import ensure, find

    first = ensure(tmp_path)
    code = (
        "import modal, io\n"
        "modal.Dict.from_name('d', create_if_missing=True)['k'] = 1\n"
        "v = modal.Volume.from_name('v', create_if_missing=True)\n"
        "with v.batch_upload() as b: b.put_file(io.BytesIO(b'kept'), 'f')\n"
    )
    assert python(first, code).communicate()[1] == ""
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: find(tmp_path) is None)
    second = ensure(tmp_path)
    code = (
        "import modal\n"
        "print(modal.Dict.from_name('d')['k'])\n"
        "print(b''.join(modal.Volume.from_name('v').read_file('f')))"
    )
    assert python(second, code).communicate() == ("1\nb'kept'\n", "")
    second.do("stop")
