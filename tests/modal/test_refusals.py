"""What the platform refuses has a name, an exit code and a fix each; a refused launch is no launch.

Verified with the real client against the loopback control plane; the cloud was not reached.
"""

import modal
import pytest
from scripts import Script, Scripts

from actions.ports import translated
from agents.errors import ActionFailed
from training.compute.modal.patience import Patience
from training.compute.modal.refusals import modal_errors
from training.compute.port import Launch
from training.errors import RateLimited, TrainingError

pytestmark = [pytest.mark.xdist_group("modal"), pytest.mark.both_clients]

REFUSALS = [
    ("spend_limit", "spend_limit", 5, "settings/usage"),
    ("quota_reached", "quota_reached", 1, "modal app list"),
    ("disk_full", "disk_full", 1, "prune checkpoints"),
    ("permission_denied", "permission_denied", 8, "modal token info"),
    ("no_such_environment", "no_such_environment", 2, "modal environment list"),
    ("client_too_old", "client_too_old", 1, "pip install -U 'modal"),
    ("unknown_gpu", "unknown_gpu", 2, "gpu=A10G"),
    ("token_refused", "token_refused", 8, "modal token"),
    ("token_expired", "token_expired", 8, "modal token"),
    ("rate_limited", "rate_limited", 3, "run the same command again"),
]
"""What is refused, its name, its exit code, and what is said about it."""


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOAP_BACK_OFF_SECONDS", "0.001")


def refused(scripts: Scripts, rpc: str, refusal: str, times: int = 0) -> None:
    scripts.plane.do("fault", rpc=rpc, kind="refused", refusal=refusal, times=times)


def failure(script: Script) -> ActionFailed:
    """What the engine is told of a launch that is refused."""
    with pytest.raises(ActionFailed) as caught, translated():
        script.start()
    return caught.value


@pytest.mark.parametrize(("refusal", "name", "code", "fix"), REFUSALS)
def test_each_refusal_has_its_name_its_exit_code_and_its_fix(
    scripts: Scripts, refusal: str, name: str, code: int, fix: str
) -> None:
    refused(scripts, "*", refusal)
    error = failure(scripts.make(f"refused {refusal}"))
    assert (error.name, error.exit_code) == (name, code), error.message
    assert fix in error.fix
    assert scripts.plane.token_secret not in f"{error.message}{error.fix}"


@pytest.mark.parametrize(
    "refusal",
    [
        "spend_limit",
        *(
            pytest.param(each, marks=pytest.mark.slow)
            for each in ("permission_denied", "client_too_old", "unknown_gpu", "token_refused")
        ),
    ],
)
def test_a_refused_launch_takes_its_claim_back_and_the_next_run_launches_at_once(
    scripts: Scripts, refusal: str
) -> None:
    script = scripts.make(f"taken back {refusal}", settings={"steps": 1})
    before = scripts.plane.do("state")
    refused(scripts, "FunctionMap", refusal, times=1)
    assert failure(script).name == refusal
    claims = modal.Dict.from_name("goap-training-claims")
    assert claims.get(f"{script.key}/0")["refused"]
    # asked too often at every step of the next one, which waits and asks again
    for rpc in ("VolumePutFiles", "DictUpdate", "FunctionMap"):
        refused(scripts, rpc, "come_back", times=1)
    refused(scripts, "FunctionMap", "rate_limited", times=1)
    script.start()
    after = scripts.plane.do("state")
    # nobody looks through the calls for one that was never made: some clients cannot
    assert after["called"].get("FunctionCallFetch") == before["called"].get("FunctionCallFetch")
    assert len(after["calls"]) == len(before["calls"]) + 1
    refused(scripts, "FunctionGetOutputs", "rate_limited", times=1)
    assert script.follow() == "completed"


@pytest.mark.slow
def test_an_answer_that_is_lost_before_a_refusal_launches_nothing_twice(scripts: Scripts) -> None:
    script = scripts.make("lost, then refused", settings={"steps": 1})
    scripts.plane.do("fault", rpc="FunctionMap", kind="lost")
    refused(scripts, "FunctionMap", "rate_limited", times=1)
    script.start()
    assert script.follow() == "completed"
    assert script.directory.attempts == 1


def test_a_limit_that_says_when_to_come_back_is_told_without_a_word(
    scripts: Scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODAL_MAX_THROTTLE_WAIT", "1")
    refused(scripts, "VolumeListFiles2", "come_back")
    refused(scripts, "VolumeListFiles", "come_back")
    with pytest.raises(RateLimited, match="Come back later"):
        scripts.volume.listdir("")


def test_each_wait_is_longer_and_no_two_are_in_step() -> None:
    slept: list[float] = []

    def asked() -> None:
        raise RateLimited("too often")

    for drawn in (0.0, 1.0):
        with pytest.raises(RateLimited):
            Patience(4, 1.0, slept.append, lambda drawn=drawn: drawn).answer(asked)
    assert slept == [0.5, 1.0, 2.0, 1.0, 2.0, 4.0]


def test_an_environment_that_is_not_there_is_no_empty_volume(
    scripts: Scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = type(scripts.volume)("of-nowhere", environment="nowhere")
    monkeypatch.delenv("MODAL_ENVIRONMENT", raising=False)
    scripts.plane.do(
        "fault", rpc="VolumeGetOrCreate", kind="error", status="NOT_FOUND", message="gone", times=0
    )
    with pytest.raises(TrainingError, match="in environment nowhere") as caught:
        volume.listdir("trainings")
    assert caught.value.code == "no_such_environment"


def test_an_app_that_is_not_there_is_not_taken_for_its_environment() -> None:
    with pytest.raises(modal.exception.NotFoundError), modal_errors("looking"):
        raise modal.exception.NotFoundError("App 'x' not found in environment 'main'")


def test_a_result_that_expired_can_be_had_again() -> None:
    with pytest.raises(TrainingError) as caught, modal_errors("asking for a result"):
        raise modal.exception.OutputExpiredError
    assert (caught.value.code, caught.value.failure_class) == ("result_expired", "transient")


def test_no_message_repeats_a_secret(scripts: Scripts) -> None:
    secret, other = scripts.plane.token_secret, "as-0123456789abcdef"
    scripts.plane.do(
        "fault",
        rpc="*",
        kind="error",
        status="PERMISSION_DENIED",
        message=f"token {secret} or {other} may not",
        times=0,
    )
    error = failure(scripts.make("secret"))
    assert secret not in error.message
    assert other not in error.message
    assert error.name == "permission_denied"


def test_whether_a_call_runs_is_not_known_where_asking_is_refused(scripts: Scripts) -> None:
    script = scripts.make("asked", settings={"steps": 40, "nap": 0.05})
    launch = scripts.compute.start(script.order, script.source, script.hardware, None)
    assert isinstance(launch, Launch)
    refused(scripts, "FunctionGetOutputs", "permission_denied", times=1)
    assert failure(script).name == "permission_denied"
    assert script.start() == launch.call_id
    assert scripts.compute.stop(script.key)
