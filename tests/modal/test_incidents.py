"""What happened to a predecessor, one test per incident, in containers of the control plane.

Verified with the real client against the loopback control plane; the cloud itself was not reached.
Each test begins with the number of its incident in INCIDENTS of test_table.py, which says where
those are that are not here. What trains our own models is marked slow: the same function carries
scripts, whose incidents (test_incidents_of_scripts.py) are met each time.
"""

import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import modal
import pytest
from conftest import LAUNCH, ROOT, Client, until
from programs import copy_of_the_source, run
from watching import LONG, checkpoints, kill, log, newest_call, result, starts

from training.compute.loopback.client import ControlPlane
from training.compute.modal.container import MOST_STARTS
from training.errors import TrainingError, Unreachable
from training.key import source_digest, training_key
from training.learn.config import TrainingConfig
from training.runner.order import Order
from training.store.durable import sha256_of

pytestmark = pytest.mark.xdist_group("modal")


def order_by(where: Path, client: Client, config: TrainingConfig) -> Order:
    """What is trained by a changed copy of the source, which is another training."""
    order = client.order(config)
    parts = replace(order.parts, source=source_digest(where / "training"))
    return replace(order, parts=parts, key=training_key(parts))


@pytest.mark.slow
def test_01_loss_0_for_hours_stops_by_step_50_and_is_not_retried(
    client: Client, tmp_path: Path
) -> None:
    where = copy_of_the_source(tmp_path)
    broken = where / "training" / "learn" / "diffusion.py"
    text = broken.read_text(encoding="utf-8")
    assert "BatchLoss(found.per_image," in text
    nothing = text.replace("BatchLoss(found.per_image,", "BatchLoss(found.per_image * 0,")
    broken.write_text(nothing, encoding="utf-8")
    order = order_by(where, client, client.config(2, steps=400))
    out, err = run(client.plane, where, LAUNCH, order.to_json())
    assert out, err
    assert client.follow(order.key) == "failed"
    found = result(client, order.key)
    assert found.failure is not None
    assert found.failure.name == "loss_collapsed"
    assert found.step <= 50
    assert (newest_call(client)["starts"], newest_call(client)["retries"]) == (1, 0)


@pytest.mark.slow
def test_02_more_work_than_the_slot_holds_is_done_in_slices_by_the_wall_clock(
    client: Client,
) -> None:
    config = client.config(3, steps=100_000, save_every=50_000)
    key = client.key(config)
    client.start(config, deadline=3)
    assert client.follow(key) == "interrupted"
    first = result(client, key)
    assert 0 < first.step < 100_000
    client.start(config, deadline=3)
    client.follow(key)
    assert result(client, key).step > first.step


@pytest.mark.slow
def test_02_slow_steps_are_told_by_the_wall_clock(client: Client, tmp_path: Path) -> None:
    where = copy_of_the_source(tmp_path)
    slowed = where / "training" / "learn" / "diffusion.py"
    text = slowed.read_text(encoding="utf-8")
    text = text.replace("BatchLoss(found.per_image,", "BatchLoss(_late(found.per_image),")
    late = "\n\ndef _late(loss):\n    import time\n    time.sleep(0.1)\n    return loss\n"
    slowed.write_text(text + late, encoding="utf-8")
    order = order_by(where, client, client.config(30, steps=400, log_every=5))
    out, err = run(client.plane, where, LAUNCH, order.to_json())
    assert out, err
    status = until(lambda: (s := client.compute.status(order.key)).steps_per_second and s)
    assert status.steps_per_second < 10  # and so is the estimated time: 42 days are 42 days
    client.compute.stop(order.key)
    client.follow(order.key)


@pytest.mark.slow
def test_03_a_run_outlives_its_terminal(client: Client) -> None:
    config = client.config(4, **LONG)
    key = client.key(config)
    code = f"{LAUNCH}\nimport time\ntime.sleep(600)"
    words = [client.order(config).to_json()]
    with subprocess.Popen(
        [sys.executable, "-c", code, *words], cwd=ROOT, stderr=subprocess.DEVNULL
    ) as process:
        try:
            until(lambda: client.volume.exists(f"trainings/{key}/lease"))
            process.send_signal(signal.SIGHUP)
        finally:
            process.kill()  # where the terminal was detached before, the first is ignored
    again = client.start(config)
    assert again.attached or client.compute.status(key).state == "completed"
    assert client.follow(key) == "completed"


@pytest.mark.slow
def test_04_a_poller_that_is_killed_changes_nothing(client: Client) -> None:
    config = client.config(5, **LONG)
    key = client.launch(config)
    before = len(client.calls())
    client.plane.do("fault", rpc="FunctionGetOutputs", kind="error", status="INTERNAL", times=25)
    failed = 0
    while failed < 25:
        try:
            client.compute.status(key)
        except TrainingError:
            failed += 1
        else:
            break
    client.plane.do("clear")
    # whatever goes wrong while asking, it never means that the training is over
    for status in ("DATA_LOSS", "RESOURCE_EXHAUSTED", "ABORTED", "PERMISSION_DENIED", "UNKNOWN"):
        client.plane.do("fault", rpc="FunctionGetOutputs", kind="error", status=status)
        with suppress(Unreachable):
            assert client.compute.status(key).state in ("running", "completed")
        with suppress(Unreachable):
            assert client.start(config).attached
        client.plane.do("clear")
    assert client.follow(key) == "completed"  # collected later
    assert len(client.calls()) == before


SECRET = "as-of-a-test"  # noqa: S105 - of no account
ASK = """
from training.errors import TrainingError, Unreachable
from training.compute.modal.auth import check_auth
try: print(check_auth(needed_seconds=86400).valid)
except TrainingError as error: print(error.code)
"""


def test_11_four_reasons_why_authentication_fails_are_four_answers(plane: ControlPlane) -> None:
    before = plane.do("state")["containers_started"]
    plane.do("token", identity="ak-old", secret=SECRET, expires=time.time() - 1)
    plane.do("token", identity="ak-ends", secret=SECRET, expires=time.time() + 3600)
    plane.do("token", identity="ak-revoked", secret=SECRET)
    plane.do("revoke", identity="ak-revoked")

    def ask(identity: str, secret: str, **given: str) -> str:
        token = {"MODAL_TOKEN_ID": identity, "MODAL_TOKEN_SECRET": secret}
        return run(plane, ROOT, ASK, **token, **given)[0]

    answers = {
        "revoked": ask("ak-revoked", SECRET),
        "expired": ask("ak-old", SECRET),
        "ends": ask("ak-ends", SECRET),
        "missing": ask("", ""),
        "down": ask(plane.token_id, plane.token_secret, MODAL_SERVER_URL="http://127.0.0.1:9"),
        "good": ask(plane.token_id, plane.token_secret),
    }
    assert answers == {
        "revoked": "token_refused",
        "expired": "token_expired",
        "ends": "token_expires",
        "missing": "no_token",
        "down": "modal_unreachable",
        "good": "True",
    }
    assert plane.do("state")["containers_started"] == before


@pytest.mark.slow
def test_12_and_16_two_kills_in_mid_training_lose_one_save_interval_and_no_bit(
    client: Client, trained: str, tmp_path: Path
) -> None:
    path = result(client, trained).checkpoint
    assert path is not None
    undisturbed = client.volume.sha256(f"{path.path}/model.safetensors")
    config = client.config(1, **LONG)
    client.volume.remove(f"trainings/{trained}")
    client.start(config)
    kill(client, trained, "out_of_memory")
    until(lambda: newest_call(client)["starts"] == 2)
    # the next one is killed between a checkpoint and its publication
    client.plane.do("fault", rpc="VolumeCommit", kind="hang", after=3)
    met = client.plane.do("state")["faults_met"]
    until(lambda: client.plane.do("state")["faults_met"] > met)
    client.plane.do("kill", fate="crashed", call=newest_call(client)["call"])
    client.plane.do("clear")
    assert client.follow(trained) == "completed"
    assert newest_call(client)["starts"] == 3
    again = result(client, trained)
    assert again.attempts == 3
    assert again.checkpoint is not None
    assert client.volume.sha256(f"{again.checkpoint.path}/model.safetensors") == undisturbed
    local = tmp_path / "model.safetensors"
    local.write_bytes(client.volume.read_bytes(f"{again.checkpoint.path}/model.safetensors"))
    assert sha256_of(local) == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("end", ["cancel", "preempted"])
def test_12_a_container_that_is_told_to_end_loses_nothing(client: Client, end: str) -> None:
    config = client.config(70 + len(end), **LONG)
    key = client.launch(config)
    until(lambda: len(checkpoints(client, key)) >= 1)
    call = client.compute.status(key).owner
    if end == "cancel":
        assert client.compute.stop(key)
        assert client.follow(key) == "interrupted"
        assert client.compute.stop(key) is False
        found = result(client, key)
        assert checkpoints(client, key)[-1] == f"step-{found.step:08}"  # saved where it stopped
        client.start(config)
    else:
        client.plane.do("kill", fate=end, call=call)
    assert client.follow(key) == "completed"
    resumed = re.findall(r"Resuming at step (\d+)", log(client, key))
    stopped = re.findall(r"Training interrupted at step (\d+)", log(client, key))
    assert resumed == stopped != []


@pytest.mark.slow
def test_13_a_retry_resumes_and_is_never_paid_three_times(client: Client) -> None:
    config = client.config(7, **LONG)
    key = client.key(config)
    client.plane.do(
        "fault", rpc="VolumeCommit", kind="error", status="INVALID_ARGUMENT", after=3, times=1
    )
    client.start(config)
    assert client.follow(key) == "completed"
    call = newest_call(client)
    assert (call["starts"], call["retries"]) == (2, 1)
    assert log(client, key).count("Starting at step 0") == 1
    assert "Resuming at step" in log(client, key)


@pytest.mark.slow
def test_13_a_container_that_dies_again_and_again_is_given_up(client: Client) -> None:
    config = client.config(60, steps=100_000, save_every=50_000)
    key = client.launch(config)
    for number in range(1, MOST_STARTS + 1):
        until(lambda number=number: starts(client, key) == number)
        client.plane.do("kill", fate="out_of_memory", call=newest_call(client)["call"])
    assert client.follow(key) == "interrupted"
    status = client.compute.status(key)
    assert f"died {MOST_STARTS} times without a new checkpoint" in status.said
    # a person who launches it again, with more memory, begins to count anew
    client.start(config, deadline=1)
    client.follow(key)
    assert result(client, key).step > 0


@pytest.mark.slow
def test_14_a_preempted_run_is_never_a_success(client: Client) -> None:
    key = client.launch(client.config(8, **LONG))
    call = newest_call(client)["call"]
    kill(client, key, "preempted")
    until(lambda: newest_call(client)["starts"] == 2)
    assert client.compute.status(key).at_work
    assert client.follow(key) == "completed"
    found = modal.FunctionCall.from_id(call).get(timeout=300)
    assert found["status"] == "completed"
    assert result(client, key).attempts == 2


@pytest.mark.slow
def test_15_a_signal_before_the_first_step_is_a_clean_end(client: Client) -> None:
    config = client.config(9)
    key = client.key(config)
    client.plane.do("fault", rpc="VolumeReload", kind="late", seconds=1)
    client.start(config)
    until(lambda: client.plane.do("state")["containers"])
    client.plane.do("kill", fate="preempted", call=newest_call(client)["call"])
    assert client.follow(key) == "completed"
    assert newest_call(client)["starts"] == 2
