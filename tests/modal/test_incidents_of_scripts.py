"""What happened to a predecessor, with a script of anybody's in place of our own models.

Verified with the real client against the loopback control plane; the cloud itself was not reached.
Each test begins with the number of its incident; test_table.py says where the others are.
"""

import math
import re
import signal
import textwrap
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import modal
import pytest
from conftest import until
from scripts import EXACT, LAUNCH_SCRIPT, Script, Scripts, exact, with_settings
from test_any_training import LONG, lost_nothing, prove

from training.compute.modal.container import MOST_STARTS
from training.compute.recipe import Hardware
from training.errors import ImageError, TrainingError

slow = pytest.mark.slow
pytestmark = [pytest.mark.xdist_group("modal"), pytest.mark.both_clients]

STEPPING = """
import sys, time
from training.contract import run
for step in run.steps(run.step, int(sys.argv[1])):
    time.sleep(0.02)
    run.log(step, loss=LOSS)
run.finish(made=1)
"""


def returned(script: Script) -> Any:
    """What the call of a training that is over gave back."""
    return modal.FunctionCall.from_id(script.newest_call["call"]).get(timeout=60)


def test_01_loss_0_for_hours_stops_by_step_50_and_is_not_retried(scripts: Scripts) -> None:
    script = scripts.make("01", STEPPING.replace("LOSS", "0.0"), settings={"steps": 4000})
    ending = script.run()
    assert ending.failure is not None, script.log
    assert (ending.status, ending.failure.name) == ("failed", "loss_collapsed")
    assert ending.step <= 50
    assert (script.newest_call["starts"], script.newest_call["retries"]) == (1, 0)


@slow
def test_02_and_21_more_work_than_the_slot_holds_is_done_in_slices_and_none_is_taken_for_all(
    scripts: Scripts,
) -> None:
    script = scripts.make("02", settings={"steps": 100_000, "every": 50_000, "nap": 0.1})
    steps, seconds = [0], 3.0
    while len(set(steps)) < 3:
        if steps[1:] and steps[-1] == steps[-2]:
            seconds *= 2  # a slow machine used up a slice before its first step
        script.start(deadline=seconds)
        assert script.follow() == script.ending.status == "interrupted"
        assert returned(script)["step"] < returned(script)["target"]
        steps.append(script.ending.step)
    assert steps == sorted(steps)
    assert script.ending.steps_per_second is not None
    assert script.ending.steps_per_second < 10  # and so is the estimated time: 42 days are 42 days


@slow
def test_03_a_run_outlives_its_terminal(scripts: Scripts) -> None:
    script = scripts.make("03", settings=LONG)
    code = f"{LAUNCH_SCRIPT}\nimport time\ntime.sleep(600)"
    words = [scripts.volume.name, script.order.to_json(), script.source.words()]
    process = scripts.python(scripts.plane, code, *words)
    until(lambda: script.directory.lease)
    process.send_signal(signal.SIGHUP)
    process.kill()  # where the terminal was detached before, the first is ignored
    assert script.start() == script.newest_call["call"]
    assert script.follow() == "completed"
    assert script.newest_call["starts"] == 1


@slow
def test_04_a_poller_that_is_killed_changes_nothing(scripts: Scripts) -> None:
    script = scripts.make("04", settings=LONG)
    call = script.start()
    before = len(scripts.calls)
    scripts.plane.do("fault", rpc="FunctionGetOutputs", kind="error", status="INTERNAL", times=9)
    for _ in range(9):
        with suppress(TrainingError):
            assert script.status.at_work
    scripts.plane.do("clear")
    # whatever goes wrong while asking, it never means that the training is over
    for status in ("DATA_LOSS", "RESOURCE_EXHAUSTED", "ABORTED", "PERMISSION_DENIED", "UNKNOWN"):
        scripts.plane.do("fault", rpc="FunctionGetOutputs", kind="error", status=status, times=9)
        with suppress(TrainingError):
            assert script.state in ("running", "completed")
        with suppress(TrainingError):
            assert script.start() == call
        scripts.plane.do("clear")
    assert script.follow() == "completed"  # collected later
    assert len(scripts.calls) == before


def test_07_a_module_that_is_not_shipped_fails_the_proof_before_a_gpu_is_asked_for(
    scripts: Scripts,
) -> None:
    script = scripts.make("07", "import hypothesis\n" + EXACT, env={"FOR": "07"})
    before, state = len(scripts.calls), scripts.plane.do("state")
    with pytest.raises(ImageError, match="hypothesis") as error:
        prove(script)
    assert error.value.code == "image_incomplete"
    assert scripts.plane.do("state")["images"] == state["images"]
    assert len(scripts.calls) == before
    smoke = with_settings(script, steps=2, every=1).order
    assert scripts.compute.proof_of(script.recipe, smoke) is None


@slow
def test_08_a_missing_module_is_an_error_of_that_name_and_never_a_stub(scripts: Scripts) -> None:
    script = scripts.make("08", "import librosa_of_cats\n" + EXACT)
    ending = script.run()  # a launcher that proved nothing
    assert ending.failure is not None
    assert "librosa_of_cats" in ending.failure.message
    assert (ending.status, str(ending.failure.failure_class)) == ("failed", "permanent")
    assert (script.newest_call["starts"], script.newest_call["retries"]) == (1, 0)


WRITES = """
import json, os, sys
from pathlib import Path
from training.contract import run
here = Path("input.txt").read_text()
Path("beside.txt").write_text("of this attempt alone")
(run.directory / "paths.json").write_text(json.dumps(
    {name: os.environ[name] for name in ("GOAP_RUN_DIR", "GOAP_SETTINGS")} | {"given": sys.argv[1]}
))
Path("data/cats/1.jpg").read_bytes()
"""


def test_09_every_path_lies_below_the_mount_and_a_relative_one_is_said(scripts: Scripts) -> None:
    files, command = {"input.txt": "shipped"}, ("python", "train.py", "{run_dir}")
    script = scripts.make("09", WRITES, files=files, command=command)
    ending = script.run()
    assert ending.failure is not None
    assert "data/cats/1.jpg" in ending.failure.message
    paths = scripts.volume.read_bytes(f"{script.directory.name}/paths.json").decode()
    assert paths.count("/volume/trainings/") == 3
    assert set(scripts.volume.listdir("")) <= {"datasets", "trainings", "images"}
    assert not scripts.volume.exists(f"{script.directory.source_name}/beside.txt")


SECRET = "as-of-a-test"  # noqa: S105 - of no account
NOWHERE = "http://127.0.0.1:9"

ASK = """
from training.errors import TrainingError
from training.compute.modal.auth import check_auth
try: print(check_auth(needed_seconds=86400).valid)
except TrainingError as error: print(error.code)
"""

ANSWERS = f"""
from training.errors import TrainingError
try:
{textwrap.indent(LAUNCH_SCRIPT, "    ")}
except TrainingError as error: print(error.code)
"""


def test_11_four_reasons_why_authentication_fails_are_four_answers(scripts: Scripts) -> None:
    plane, script = scripts.plane, scripts.make("11")
    before = plane.do("state")["containers_started"]
    plane.do("token", identity="ak-old", secret=SECRET, expires=time.time() - 1)
    plane.do("token", identity="ak-ends", secret=SECRET, expires=time.time() + 3600)
    plane.do("token", identity="ak-revoked", secret=SECRET)
    plane.do("revoke", identity="ak-revoked")
    launch = (scripts.volume.name, script.order.to_json(), script.source.words())

    def ask(
        identity: str, secret: str = SECRET, launches: bool = True, **given: str
    ) -> tuple[str, str]:
        """What the check before a launch says, and what a launch does that nobody checked."""
        pair = {"MODAL_TOKEN_ID": identity, "MODAL_TOKEN_SECRET": secret, **given}
        asked = [scripts.python(plane, ASK, **pair)]
        if launches:
            asked.append(scripts.python(plane, ANSWERS, *launch, **pair))
        said = [each.communicate() for each in asked]
        assert all(out for out, _ in said), said
        return said[0][0].strip(), said[-1][0].strip()

    here = (plane.token_id, plane.token_secret)
    assert ask("ak-revoked") == ("token_refused", "token_refused")
    assert ask("ak-old") == ("token_expired", "token_expired")
    assert ask("ak-ends", launches=False)[0] == "token_expires"
    assert ask("", "") == ("no_token", "no_token")
    # the client asks a server that is not there for a minute; whoever checks asks once
    assert ask(*here, launches=False, MODAL_SERVER_URL=NOWHERE)[0] == "modal_unreachable"
    assert plane.do("state")["containers_started"] == before
    assert scripts.python(plane, ASK).communicate()[0].strip() == "True"


FAILS_ONCE = EXACT.replace(
    "run.log(step",
    "if step == 33 and not (run.directory / 'failed').exists():\n"
    "        (run.directory / 'failed').touch()\n"
    "        raise RuntimeError('once')\n"
    "    run.log(step",
)


def test_12_and_13_and_16_kills_in_mid_training_lose_one_save_interval_and_no_bit(
    scripts: Scripts,
) -> None:
    script = scripts.make("12", settings=LONG)
    script.start()
    script.after(1)
    # killed between a checkpoint and its publication
    scripts.plane.do("fault", rpc="VolumeCommit", kind="hang")
    met = scripts.plane.do("state")["faults_met"]
    until(lambda: scripts.plane.do("state")["faults_met"] > met)
    script.kill("crashed")
    scripts.plane.do("clear")
    assert script.follow() == "completed"
    assert lost_nothing(script.ending), script.log
    (resumed,) = re.findall(r"Resuming at step (\d+)", script.log)
    assert int(resumed) >= 5
    assert script.log.count("Starting at step 0") == 1


@slow
def test_12_an_exception_in_the_script_loses_one_save_interval(scripts: Scripts) -> None:
    script = scripts.make("12b", FAILS_ONCE, settings={**LONG, "nap": 0.02})
    ending = script.run()
    assert ending.failure is not None
    assert "RuntimeError: once" in ending.failure.message
    script.start()
    assert script.follow() == "completed"
    assert lost_nothing(script.ending)
    assert "Resuming at step 30" in script.log


@slow
def test_13_a_retry_resumes_and_is_never_paid_three_times(scripts: Scripts) -> None:
    script = scripts.make("13", settings=LONG)
    scripts.plane.do(
        "fault", rpc="VolumeCommit", kind="error", status="INVALID_ARGUMENT", after=4, times=1
    )
    script.start()
    assert script.follow() == "completed"
    assert (script.newest_call["starts"], script.newest_call["retries"]) == (2, 1)
    assert script.log.count("Starting at step 0") == 1
    assert "Resuming at step" in script.log
    assert lost_nothing(script.ending)


@slow
def test_13_a_container_that_dies_again_and_again_is_given_up(scripts: Scripts) -> None:
    script = scripts.make("13b", settings={"steps": 10_000, "every": 5_000, "nap": 0.1})
    script.start()
    counted = f"{script.directory.name}/starts.json"
    for number in range(1, MOST_STARTS + 1):
        needle = f'"count": {number}}}'
        until(lambda n=needle: n in (script.directory.read(counted) or b"").decode())
        scripts.plane.do("kill", fate="out_of_memory", call=script.newest_call["call"])
    assert script.follow() == "interrupted"
    said = scripts.compute.status(script.key).said
    assert f"died {MOST_STARTS} times without a new checkpoint" in said
    # a person who launches it again, with more memory, begins to count anew
    script.start()
    until(lambda: script.status.step)
    scripts.compute.stop(script.key)
    script.follow()
    assert script.ending.step > 0


def test_15_a_signal_before_the_first_step_is_a_clean_end(scripts: Scripts) -> None:
    script = scripts.make("15", settings={"steps": 5})
    scripts.plane.do("fault", rpc="VolumeReload", kind="late", seconds=1)
    call = script.start()
    until(lambda: any(c["call"] == call for c in containers(scripts)))
    scripts.plane.do("kill", fate="preempted", call=call)
    assert script.follow() == "completed"
    assert script.newest_call["starts"] == 2


def containers(scripts: Scripts) -> list[dict[str, Any]]:
    return list(scripts.plane.do("state")["containers"].values())


TEARS = EXACT.replace(
    '(directory / "state.json").write_text(json.dumps(state))',
    'file = directory / "state.json"\n'
    "            file.write_text(json.dumps(state)[:5])\n"
    '            (run.directory / "saving").write_text(str(step))\n'
    "            time.sleep(0.5)\n"
    "            file.write_text(json.dumps(state))",
)


@slow
def test_16_a_checkpoint_that_is_torn_by_a_kill_is_never_resumed_from(scripts: Scripts) -> None:
    script = scripts.make("16", TEARS, settings={"steps": 30, "nap": 0.05})
    script.start()
    script.after(2)
    roots = until(lambda: [c["root"] for c in containers(scripts)])
    saving = [Path(root, "volume", script.directory.name, "saving") for root in roots]
    now = [path.read_text() for path in saving if path.exists()]
    until(lambda: [path.read_text() for path in saving if path.exists()] != now)
    script.kill("out_of_memory")
    assert script.follow() == "completed"
    assert lost_nothing(script.ending, 30), script.log


def test_21_a_call_that_returns_is_not_trained(scripts: Scripts) -> None:
    script = scripts.make("21", "print('SUCCESS')\n", target="steps")
    ending = script.run()
    assert script.state == "failed"
    assert ending.failure is not None
    assert ending.failure.name == "no_result"
    assert returned(script)["status"] == "failed"


@slow
def test_22_a_run_shorter_than_a_save_interval_has_a_finite_loss(scripts: Scripts) -> None:
    ending = scripts.make("22", settings={"steps": 1, "every": 50}).run()
    assert ending.status == "completed"
    assert math.isfinite(ending.numbers["loss_final"])


def test_22_an_infinite_loss_is_a_typed_failure(scripts: Scripts) -> None:
    loss = "float('inf') if step > 7 else 1.0"
    script = scripts.make("22b", STEPPING.replace("LOSS", loss), settings={"steps": 4000})
    ending = script.run()
    assert ending.failure is not None
    assert (ending.status, ending.failure.name) == ("failed", "loss_not_finite")
    assert script.newest_call["retries"] == 0


def test_23_an_api_that_moved_fails_the_proof(scripts: Scripts) -> None:
    script = scripts.make("23", "import json\njson.api_of_yesterday\n" + EXACT)
    before = len(scripts.calls)
    with pytest.raises(ImageError, match="api_of_yesterday"):
        prove(script)
    assert len(scripts.calls) == before


def test_25_paid_twice_a_lost_answer_to_spawn_makes_one_call(scripts: Scripts) -> None:
    script = scripts.make("25", settings={"steps": 1})
    before = len(scripts.calls)
    scripts.plane.do("fault", rpc="FunctionMap", kind="lost", times=2)
    script.start()
    assert script.follow() == "completed"
    assert len(scripts.calls) == before + 1


@slow
def test_25_paid_twice_a_change_of_hardware_finds_the_call_that_runs(scripts: Scripts) -> None:
    script = scripts.make("25-hardware", settings=LONG)
    call = script.start()
    other = replace(script, hardware=Hardware(gpu=("L4", "T4"), memory=2048))
    assert other.start() == call
    assert script.follow() == "completed"


@slow
def test_26_state_that_expired_is_rebuilt_from_the_volume(scripts: Scripts) -> None:
    script = scripts.make("26", settings={"steps": 5})
    script.run()
    call = script.newest_call["call"]
    scripts.plane.do("expire", call=call)
    assert script.state == "completed"
    claims = modal.Dict.from_name("goap-training-claims")
    name = f"{script.key}/0"
    earlier = {part: each for part, each in claims.get(name).items() if part != "function"}
    claims.put(name, earlier)  # as an earlier version claimed
    assert script.state == "completed"
    claims.pop(name)
    assert script.state == "completed"
    assert script.start() == call  # nothing is paid for again
    scripts.volume.remove(script.directory.name)
    assert script.state == "absent"
    script.start()
    assert script.follow() == "completed"
    assert script.directory.attempts == 1
    assert script.ending.numbers["state"] == exact(5)
