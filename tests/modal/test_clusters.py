"""A training on several machines, rehearsed with two containers and tiny scripts."""

from importlib.metadata import version
from typing import Any

import pytest
from conftest import until
from scripts import Script, exact

from training.compute.loopback.client import ControlPlane
from training.compute.recipe import Hardware
from training.runner.account import Use, total_seconds

pytestmark = pytest.mark.xdist_group("modal")
both_clients = pytest.mark.both_clients

TOGETHER = """
import json, os, socket, sys, time
from pathlib import Path
from training.contract import run

total, every, nap = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
rank, count = int(os.environ["NODE_RANK"]), int(os.environ["NNODES"])
where = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
assert count == 2 and os.environ["PET_NODE_RANK"] == str(rank)
checkpoint = run.resume()
state = json.loads((checkpoint / "state.json").read_text()) if checkpoint else 1
if rank:
    Path(os.environ["GOAP_RUN_DIR"], "result.json").write_text('{"step": 1, "state": 0}')
    until = time.monotonic() + 60
    while True:
        try:
            link = socket.create_connection(where)
            break
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.05)
    lines = link.makefile("r")
    for line in lines:  # the other half of each step
        state, step = json.loads(line)
        link.sendall(b"%d\\n" % (state * 6364136223846793005 + step))
    sys.exit(int(os.environ.get("OTHER_EXIT", "0")))
server = socket.create_server(where)
link, other = server.accept()
lines = link.makefile("r")
for step in run.steps(run.step, total):
    link.sendall(json.dumps([state, step]).encode() + b"\\n")
    answer = lines.readline()
    if not answer:
        sys.exit("the other machine is gone")
    state = int(answer) % 2**64
    time.sleep(nap)
    run.log(step, loss=1 + state / 2**64)
    if run.save_due(step, every=every):
        with run.checkpoint(step) as directory:
            (directory / "state.json").write_text(json.dumps(state))
run.finish(state=state % 1000003)
"""
"""Each step is done half here and half on the other machine."""


GLOO = """
import json, os, sys
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from training.contract import run

dist.init_process_group("gloo")
torch.manual_seed(0)
model = DistributedDataParallel(torch.nn.Linear(1, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
rank, count = dist.get_rank(), dist.get_world_size()
data = torch.linspace(-1, 1, 8)[rank::count].reshape(-1, 1)
for step in range(1, int(sys.argv[1]) + 1):
    optimizer.zero_grad()
    loss = ((model(data) - 3 * data) ** 2).mean()
    loss.backward()
    optimizer.step()
    dist.all_reduce(loss)
    if rank == 0:
        run.log(step, loss=float(loss) / count)
if rank == 0:
    with run.checkpoint(step) as directory:
        torch.save(model.module.state_dict(), directory / "model.pt")
    run.finish(step=step, processes=count, final=float(loss) / count)
dist.destroy_process_group()
"""
"""Two processes on each machine, which average their gradients."""


def together(scripts: Any, seed: str, **settings: Any) -> Script:
    made: Script = scripts.make(seed, TOGETHER, settings=settings, hardware=Hardware(nodes=2))
    return made


def seconds(script: Script) -> float:
    return total_seconds(Use(**each) for each in script.uses)


@both_clients
def test_two_machines_train_one_model_and_the_first_one_keeps_the_account(scripts: Any) -> None:
    script = together(scripts, "two")
    ending = script.run()
    assert (ending.status, ending.numbers["state"]) == ("completed", exact())
    assert ending.attempts == 1
    ranks = {each["rank"]: each for each in script.uses}
    assert sorted(ranks) == [0, 1]
    assert all(each["state"] == "ended" and each["seconds"] > 0 for each in ranks.values())
    assert seconds(script) == pytest.approx(sum(each["seconds"] for each in ranks.values()))
    assert seconds(script) == ending.seconds


@both_clients
@pytest.mark.slow
@pytest.mark.parametrize(("rank", "fate"), [(1, "out_of_memory"), (0, "crashed"), (1, "preempted")])
def test_a_machine_that_is_lost_ends_all_and_they_go_on_together(
    plane: ControlPlane, scripts: Any, rank: int, fate: str
) -> None:
    script = together(scripts, f"lost {rank} {fate}", steps=60, nap=0.1)
    script.start()
    call = script.after().newest_call["call"]
    plane.do("kill", fate=fate, call=call, rank=rank)
    assert script.follow() == "completed"
    assert script.ending.numbers["state"] == exact(60)
    assert script.ending.attempts == 2
    by_attempt = {(each["attempt"], each["rank"]) for each in script.uses}
    assert by_attempt == {(1, 0), (1, 1), (2, 0), (2, 1)}
    until(lambda: plane.do("state")["containers"] == {})


@both_clients
@pytest.mark.slow
def test_a_script_that_fails_on_another_machine_fails_the_training(scripts: Any) -> None:
    failing = TOGETHER.replace("for line in lines:", "sys.exit(9)\n    for line in lines:")
    script = scripts.make("fails", failing, hardware=Hardware(nodes=2))
    ending = script.run()
    assert ending.status == "failed"
    assert ending.failure is not None
    assert (ending.failure.name, ending.failure.exit_code) == ("exit_9", 9)
    assert "on node 1" in ending.failure.message or "gone" in ending.failure.message


@both_clients
@pytest.mark.slow
def test_a_deadline_is_for_the_seconds_of_all_machines(scripts: Any) -> None:
    script = together(scripts, "deadline", steps=10_000, nap=0.05)
    script.start(deadline=12.0)
    assert script.follow() == "interrupted"
    assert seconds(script) < 12.0 + 2 * 6.0
    assert script.ending.failure is not None
    assert script.ending.failure.name == "interrupted"


@pytest.mark.slow
def test_torchrun_finds_the_other_machine_by_itself(scripts: Any) -> None:
    script = scripts.make(
        "gloo",
        GLOO,
        command=("torchrun", "--nproc-per-node", "2", "train.py", "{steps}"),
        requirements=(f"torch=={version('torch').partition('+')[0]}",),
        env={"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"},
        hardware=Hardware(nodes=2),
    )
    ending = script.run()
    assert ending.status == "completed", script.log
    assert ending.numbers["processes"] == 4
    assert ending.numbers["final"] < ending.numbers["loss_first"] / 10
    assert {each["rank"] for each in script.uses} == {0, 1}


def test_a_client_without_clusters_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import modal
    import modal.experimental

    from training.compute.modal.clustered import clustered
    from training.errors import ConfigError

    for module in (modal, modal.experimental):
        monkeypatch.delattr(module, "clustered", raising=False)
    with pytest.raises(ConfigError, match="has no clustered functions"):
        clustered(seconds, 2)
