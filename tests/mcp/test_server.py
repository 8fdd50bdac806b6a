"""The MCP server, asked by a real client: in memory, and over stdio as a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters
from mcp.shared.exceptions import MCPError

from agents.cli.main import Composition, invoke
from agents.mcp.foreign import unmarked
from agents.mcp.server import make_server
from agents.run.lock import holders

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]
TOOLS = [
    "goap_cancel",
    "goap_explain",
    "goap_plan",
    "goap_run",
    "goap_status",
    "goap_stop",
    "goap_wait",
]


@pytest.fixture
def server(kitchen, state):
    return make_server(kitchen.toolkit(state))


@pytest.fixture
def cli(kitchen, state, capsys):
    """The document that the command line prints."""

    def cli(*words):
        capsys.readouterr()
        invoke(Composition(kitchen.kitchen), [*words, f"state={state}", "--json"])
        return json.loads(capsys.readouterr().out)

    return cli


async def data(client, tool, **arguments):
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    assert (len(result.content), result.structured_content) == (1, None)  # sent once
    return unmarked(json.loads(result.content[0].text))


async def refusal(client, tool, **arguments):
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    before, brace, rest = result.content[0].text.partition("{")
    assert before in ("", f"Error executing tool {tool}: ")
    return unmarked(json.loads(brace + rest))


async def test_the_tools_with_all_their_schemas_take_at_most_4_kb(server):
    async with Client(server) as client:
        tools = (await client.list_tools()).tools
    assert sorted(tool.name for tool in tools) == TOOLS
    sent = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]
    size = len(json.dumps(sent, ensure_ascii=False).encode())
    print(f"seven tools: {size} bytes")
    assert size <= 4096


async def test_the_tools_that_look_say_so_and_the_others_do_not(server):
    async with Client(server) as client:
        tools = (await client.list_tools()).tools
    looking = sorted(tool.name for tool in tools if tool.annotations.read_only_hint)
    assert looking == ["goap_explain", "goap_plan", "goap_status", "goap_wait"]


async def test_looking_gives_the_data_of_the_command_line_and_changes_nothing(
    server, cli, room, state
):
    params = {"room": str(room), "sugar": 2}
    words = [f"room={room}", "sugar=2"]
    async with Client(server) as client:
        plan = await data(client, "goap_plan", goal="party", params=params)
        explained = await data(client, "goap_explain", name="brew", goal="party", params=params)
        goal = await data(client, "goap_explain", name="dream", params={"room": str(room)})
        status = await data(client, "goap_status", goal="party", params=params)
    assert plan == cli("plan", "goal=party", *words)["data"]
    assert explained == cli("explain", "brew", "goal=party", *words)["data"]
    assert goal == cli("explain", "dream", f"room={room}")["data"]
    assert status == cli("status", "goal=party", *words)["data"]
    assert plan["usd"] == 3.0
    assert list(room.iterdir()) == []
    assert not state.exists()


@pytest.mark.parametrize(
    ("tool", "arguments", "line"),
    [
        ("goap_plan", {"goal": "servd"}, ["plan", "goal=servd"]),
        ("goap_plan", {"goal": "party", "params": {"suger": 1}}, ["plan", "goal=party", "suger=1"]),
        ("goap_explain", {"name": "brw"}, ["explain", "brw"]),
        ("goap_status", {"run": "gone"}, ["show", "gone"]),
    ],
)
async def test_a_refusal_is_the_error_of_the_command_line(server, cli, tool, arguments, line):
    async with Client(server) as client:
        error = await refusal(client, tool, **arguments)
    assert error == cli(*line)["error"]
    assert error["code"] == "usage"


async def test_a_word_that_looks_like_an_option_is_only_a_word(server):
    async with Client(server) as client:
        assert "--help" in (await refusal(client, "goap_explain", name="--help"))["message"]
        error = await refusal(client, "goap_plan", goal="served", params={"--graph": "dot"})
        assert "--graph" in error["message"]
        error = await refusal(client, "goap_plan", goal="served", params={"state": "elsewhere"})
        assert error["message"] == "state= is given twice"
        error = await refusal(client, "goap_plan", goal="served", params={"room": ["a"]})
        assert error["message"] == "room=['a']: Input should be a valid string"


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"sugar": -1}, "sugar=-1: Input should be greater than or equal to 0"),
        ({"sugar": "2"}, "sugar='2': Input should be a valid integer"),
        ({"sugar": 2.5}, "sugar=2.5: Input should be a valid integer"),
        ({"sugar": True}, "sugar=True: Input should be a valid integer"),
        ({"max_cost": "lots"}, "max_cost='lots': Input should be a valid number"),
        ({"wait": -1}, "wait=-1: Input should be greater than or equal to 0"),
    ],
)
async def test_values_have_the_types_of_the_schema_and_no_text_is_parsed(server, params, said):
    async with Client(server) as client:
        for tool, more in (
            ("goap_plan", {}),
            ("goap_status", {}),
            ("goap_explain", {"name": "tea"}),
        ):
            error = await refusal(client, tool, goal="served", params=params, **more)
            assert error["code"] == "usage"
            assert error["message"].startswith(said)


async def test_a_plan_that_was_seen_for_other_values_is_not_run(server, room, state):
    """What was seen for one amount of sugar lets no other amount run, however many digits match."""
    async with Client(server) as client:
        plans = {}
        for sugar in (0, 1, 2):
            params = {"room": str(room), "sugar": sugar}
            plans[sugar] = await data(client, "goap_plan", goal="served", params=params)
        assert len({plan["digest"] for plan in plans.values()}) == 3
        assert len({json.dumps(plan["steps"]) for plan in plans.values()}) == 1
        other = {"room": str(room), "sugar": 1}
        arguments = {"goal": "served", "max_cost": 0, "params": other}
        error = await refusal(client, "goap_run", plan_digest=plans[2]["digest"], **arguments)
        assert (error["code"], error["retryable"]) == ("stale_plan", False)
        # another room, the same steps
        elsewhere = {**arguments, "params": {"room": str(room.parent), "sugar": 2}}
        error = await refusal(client, "goap_run", plan_digest=plans[2]["digest"], **elsewhere)
        assert error["code"] == "stale_plan"
    assert not state.exists()


async def test_a_run_starts_at_once_and_its_data_are_those_of_show(
    server, cli, room, state, eventually
):
    params = {"room": str(room)}
    async with Client(server) as client:
        plan = await data(client, "goap_plan", goal="served", params=params)
        started = await data(
            client, "goap_run", goal="served", plan_digest=plan["digest"], max_cost=0, params=params
        )
        assert started["status"] == "running"
        run = started["run"]
        (room / "gas").touch()
        # the id is known before the first event of the run is written
        eventually(lambda: (cli("show", run)["data"] or {}).get("status") == "done")
        told = await data(client, "goap_status", run=run)
        assert (told["status"], told["exit_code"], told["done"]) == ("done", 0, 2)
        assert told == await data(client, "goap_wait", run=run)
        resource = await client.read_resource(f"goap://runs/{run}")
        shown = unmarked(json.loads(resource.contents[0].text))
        assert shown["plans"][0]["digest"] == plan["digest"]
        assert shown == cli("show", run, "--events")["data"]
        report = await client.read_resource(f"goap://runs/{run}/report")
        path = cli("report", run)["data"]["path"]
        assert report.contents[0].text == Path(path).read_text(encoding="utf-8")
    assert (room / "tea").exists()


async def test_a_goal_that_holds_is_not_run(server, room):
    (room / "tea").touch()
    params = {"room": str(room)}
    async with Client(server) as client:
        digest = (await data(client, "goap_plan", goal="served", params=params))["digest"]
        answer = await data(
            client, "goap_run", goal="served", plan_digest=digest, max_cost=0, params=params
        )
    assert answer == {"run": None, "goal": "served", "status": "nothing to do"}


async def test_a_run_is_refused_for_its_digest_its_cost_and_its_goal(server, room, state):
    params = {"room": str(room)}
    async with Client(server) as client:

        async def refused(goal, digest, cost):
            error = await refusal(
                client, "goap_run", goal=goal, plan_digest=digest, max_cost=cost, params=params
            )
            return error["code"]

        digest = (await data(client, "goap_plan", goal="party", params=params))["digest"]
        assert await refused("party", "0" * 64, 5) == "stale_plan"
        assert await refused("party", digest, 2.5) == "not_approved"
        assert await refused("dream", digest, 5) == "unreachable"
        for wrong in ({"plan_digest": "", "max_cost": 1}, {"plan_digest": digest, "max_cost": -1}):
            result = await client.call_tool("goap_run", {"goal": "party", **wrong})
            assert result.is_error
        result = await client.call_tool("goap_run", {"goal": "party", "plan_digest": digest})
        assert result.is_error
    assert not state.exists()


async def test_a_running_run_refuses_a_second_and_can_be_cancelled(
    server, cli, room, state, eventually
):
    params = {"room": str(room)}
    async with Client(server) as client:
        digest = (await data(client, "goap_plan", goal="served", params=params))["digest"]
        arguments = {"goal": "served", "plan_digest": digest, "max_cost": 0, "params": params}
        run = (await data(client, "goap_run", **arguments))["run"]
        second = await refusal(client, "goap_run", **arguments)
        assert (second["code"], second["retryable"]) == ("locked", True)
        eventually(lambda: cli("show", run)["data"]["steps"])
        assert (await data(client, "goap_cancel", run=run))["cancelled"] is True
        eventually(lambda: cli("show", run)["data"]["status"] == "interrupted")
        eventually(lambda: not _held(state))
        late = await refusal(client, "goap_cancel", run=run)
        assert late["message"] == f"the run {run} is not running"


async def test_a_run_that_is_not_there_is_a_resource_not_found(server):
    async with Client(server) as client:
        with pytest.raises(MCPError, match="there are no runs yet"):
            await client.read_resource("goap://runs/gone")


async def test_over_stdio_a_run_outlives_the_server(kitchen, cli, room, state, eventually):
    command = StdioServerParameters(
        command=kitchen.PROGRAM[0], args=[kitchen.PROGRAM[1], "mcp", str(state)]
    )
    params = {"room": str(room)}
    async with Client(command) as client:
        plan = await data(client, "goap_plan", goal="served", params=params)
        assert plan == cli("plan", "goal=served", f"room={room}")["data"]
        started = await data(
            client, "goap_run", goal="served", plan_digest=plan["digest"], max_cost=0, params=params
        )
    os.kill(started["pid"], 0)  # it lives, and the server does not
    (room / "gas").touch()
    eventually(lambda: cli("show", started["run"])["data"]["status"] == "done")


async def test_our_own_server_over_stdio_gives_the_data_of_our_command_line(tmp_path):
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "agents", "mcp", "state=st"], cwd=tmp_path
    )
    line = [sys.executable, "-m", "agents", "plan", "goal=trained_dit", "preset=smoke", "state=st"]
    async with Client(command) as client:
        tools = (await client.list_tools()).tools
        plan = await data(client, "goap_plan", goal="trained_dit", params={"preset": "smoke"})
    done = subprocess.run(
        [*line, "--json"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert sorted(tool.name for tool in tools) == TOOLS
    assert [step["id"] for step in plan["steps"]]
    expected = json.loads(done.stdout)["data"]
    free = [each for each in expected["facts"] if each["name"] == "free_mb"]
    assert plan["digest"] == expected["digest"] or free  # a full disk changes by the minute
    for each in (plan, expected):
        each.pop("digest")
        each["facts"] = [fact for fact in each["facts"] if fact["name"] != "free_mb"]
    assert plan == expected
    assert list(tmp_path.iterdir()) == []


async def test_without_the_package_the_command_says_what_to_install(tmp_path):
    program = (
        "import sys; sys.modules['mcp'] = None\n"
        "from agents.__main__ import ROOT; from agents.cli.main import invoke\n"
        "sys.exit(invoke(ROOT, ['mcp']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "pip install 'goap-modal-agents[mcp]'" in done.stderr
    assert "Traceback" not in done.stderr


def _held(state):
    return bool(holders(state))
