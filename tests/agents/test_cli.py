"""The command line over a small world: exit codes, the JSON envelope, and what a person reads."""

import json

import pytest

from agents.cli.main import COMMANDS, cli, invoke
from agents.errors import ActionFailed


@pytest.fixture
def call(kit, capsys):
    def call(*words, code=0):
        given = list(words)
        if given and given[0] in ("plan", "run", "status", "runs", "show", "explain", "doctor"):
            given.append(f"state={kit.state}")
        assert invoke(lambda: kit.catalogue, given) == code
        return capsys.readouterr()

    return call


def data_of(printed):
    document = json.loads(printed.out)
    assert set(document) == {"schema", "ok", "data", "error"}
    assert document["ok"] is True
    assert document["error"] is None
    return document["data"]


def error_of(printed):
    document = json.loads(printed.out)
    assert document["ok"] is False
    assert document["data"] is None
    assert set(document["error"]) == {"code", "message", "fix", "retryable"}
    return document["error"]


def test_every_command_has_the_help_its_row_in_the_table_promises():
    context = cli.make_context("agents", ["goals"], resilient_parsing=True)
    for name, (_, text) in COMMANDS.items():
        command = cli.get_command(context, name)
        assert command is not None
        assert command.get_short_help_str(limit=200) == text


def test_plan_shows_facts_as_a_diff_with_evidence_and_changes_nothing(kit, call):
    kit.tea.make("water")
    shown = call("plan", "goal=served").out
    assert "= water" in shown
    assert "+ hot" in shown
    assert "water exists" in shown
    assert "stage 1" in shown
    assert "the cheapest there is, proved" in shown
    assert kit.tea.calls == []
    assert not kit.state.exists()


def test_plan_as_json_has_everything_an_agent_needs(kit, call):
    data = data_of(call("plan", "goal=served", "--json"))
    assert {"goal", "status", "cost", "lower_bound", "digest", "facts", "steps", "missing"} <= set(
        data
    )
    assert data["status"] == "optimal"
    assert data["cost"] == data["lower_bound"] == 14
    fact = {each["name"]: each for each in data["facts"]}["hot"]
    assert (fact["value"], fact["will_be"], fact["sign"]) == (False, True, "+")
    brew = {each["id"]: each for each in data["steps"]}["brew"]
    assert sorted(brew["after"]) == ["boil", "shop"]
    assert brew["stage"] == 2
    assert brew["cost"] == {"seconds": 4, "usd": 0}
    assert brew["needs"] == ["hot", "leaves"]
    assert brew["effect"] == ["tea"]
    assert brew["why"] == [{"fact": "tea", "for": "goal"}]


def test_the_same_world_gives_the_same_digest_and_a_changed_one_another(kit, call):
    first = data_of(call("plan", "goal=served", "--json"))["digest"]
    assert data_of(call("plan", "goal=served", "--json"))["digest"] == first
    kit.tea.make("water")
    assert data_of(call("plan", "goal=served", "--json"))["digest"] != first


def test_run_reaches_the_goal_and_says_how_to_read_its_story(kit, call):
    printed = call("run", "goal=served")
    assert printed.out == ""
    assert "✓ brew" in printed.err
    assert "done: served holds; 4 steps" in printed.err
    ledger = (kit.state / "ledger.db").read_bytes()
    again = call("run", "goal=served", "--json")
    assert data_of(again)["status"] == "nothing to do"
    assert (kit.state / "ledger.db").read_bytes() == ledger


def test_a_dry_run_is_a_plan(kit, call):
    assert call("run", "goal=served", "--dry-run").out == call("plan", "goal=served").out
    assert kit.tea.calls == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plan", "goal=servd"], "did you mean 'served'?"),
        (["plan"], "no goal given; the goals are: served"),
        (["plan", "served"], "'served' is not of the form key=value"),
        (["plan", "goal=served", "suger=1"], "did you mean 'sugar'?"),
        (["plan", "goal=served", "sugar=lots"], "sugar='lots'"),
        (["plan", "goal=served", "sugar=-1"], "greater than or equal to 0"),
        (["plan", "goal=served", "goal=served"], "goal= is given twice"),
        (["plan", "goal=served", "max_cots=1"], "did you mean 'max_cost'?"),
        (["plan", "goal=served", "suagr=1"], "did you mean 'sugar'?"),
        (["plan", "goal=served", "max_cost=cheap"], "not a number of dollars"),
        (["plan", "goal=served", "max_cost=nan"], "not a number of dollars"),
        (["plann", "goal=served"], "did you mean 'plan'?"),
        (["explain", "brw"], "did you mean 'brew'?"),
        (["runs", "gaol=served"], "did you mean 'goal'?"),
        (["plan", "goal=served", "--graph", "png"], "'png' is not one of"),
        (["plan", "goal=served", "--jason"], "No such option"),
    ],
)
@pytest.mark.parametrize("json_wanted", [False, True])
def test_a_wrong_word_ends_with_exit_code_2_and_the_nearest_right_one(
    call, words, said, json_wanted
):
    printed = call(*words, *(["--json"] if json_wanted else []), code=2)
    text = error_of(printed)["message"] if json_wanted else printed.err
    assert said in text
    if not json_wanted:
        assert printed.out == ""


def test_an_unreachable_goal_ends_with_exit_code_4_and_says_what_is_missing(kit, call):
    del kit.catalogue.actions["fill"]
    assert "water" in call("plan", "goal=served", code=4).out
    missing = data_of(call("plan", "goal=served", "--json", code=4))["missing"]
    assert [(each["fact"], each["needed_by"]) for each in missing] == [
        ("water", ["boil", "make_fire"])
    ]
    assert "nothing can make this true: water" in call("run", "goal=served", code=4).err


def test_a_failed_step_ends_with_exit_code_1_and_the_fix(kit, call):
    def broken(_context):
        raise ActionFailed("the cup is broken", fix="buy a cup", name="broken")

    kit.tea.fail("brew", broken)
    error = error_of(call("run", "goal=served", "--json", code=1))
    assert (error["message"], error["fix"]) == ("the cup is broken", "buy a cup")
    story = call("show", "last").out
    assert "✗ brew  unknown: broken  the cup is broken" in story
    assert "ended: stalled (exit 1): the cup is broken" in story


def test_runs_and_show_tell_what_happened(kit, call):
    assert "no runs yet" in call("runs").out
    call("run", "goal=served")
    (kit.tea.root / "tea").unlink()
    call("run", "goal=served")
    rows = data_of(call("runs", "--json"))
    assert [(row["status"], row["steps"]) for row in rows] == [("done", 1), ("done", 4)]
    assert data_of(call("runs", "status=failed", "--json")) == []
    first = rows[1]["run"]
    shown = data_of(call("show", first, "--events", "--json"))
    assert [step["status"] for step in shown["steps"]] == ["verified"] * 4
    assert shown["events"][0]["specversion"] == "1.0"
    assert "there is no run" in call("show", "nonsense", code=2).err


def test_status_explain_and_the_catalogue_describe_the_world(kit, call):
    kit.tea.make("water")
    facts = {each["name"]: each for each in data_of(call("status", "--json"))["facts"]}
    assert facts["water"]["value"] is True
    assert "served does not hold yet" in call("status").out
    boil = data_of(call("explain", "boil", "--json"))
    assert boil["in_plan"] is True
    assert boil["because"] == ["hot for brew"]
    fill = data_of(call("explain", "fill", "--json"))
    assert fill["because"][0] == "what it supplies is true already: water"
    fire = data_of(call("explain", "make_fire", "--json"))
    assert fire["in_plan"] is False
    assert fire["because"][1] == "the cheapest plan with make_fire costs 45 more"
    assert fire["forced"]["steps"] == ["shop", "make_fire", "brew"]
    hot = data_of(call("explain", "hot", "--json"))
    assert hot["supplied_by"] == ["boil", "make_fire"]
    assert hot["needed_by"] == ["brew"]
    goal = data_of(call("explain", "served", "--json"))
    assert [each["name"] for each in goal["wants"]] == ["tea"]
    assert sorted(goal["plan"]["steps"]) == ["boil", "brew", "shop"]
    assert (goal["plan"]["cost"], goal["runner_up"]["cost"], goal["then"]) == (12, 57, None)
    assert [each["name"] for each in data_of(call("goals", "--json"))] == ["served"]
    assert len(data_of(call("actions", "--json"))) == 5
    assert [each["name"] for each in data_of(call("facts", "--json"))] == [
        "water",
        "leaves",
        "hot",
        "tea",
        "power",
    ]


def test_doctor_finds_a_damaged_ledger_and_says_how_to_mend_it(kit, call):
    assert all(each["ok"] for each in data_of(call("doctor", "--json")) if each["needed"])
    kit.state.mkdir()
    (kit.state / "ledger.db").write_bytes(b"rubbish" * 1000)
    printed = call("doctor", code=9)
    assert "not a readable ledger" in printed.out
    assert "mv " in printed.out
    assert "not a readable ledger" in call("runs", code=9).err


def test_secrets_of_the_environment_are_not_printed(kit, call, monkeypatch):
    from agents.ledger.redaction import _secrets_of_process

    monkeypatch.setenv("MODAL_TOKEN_SECRET", "as-hunter2-secret")
    _secrets_of_process.cache_clear()

    def leak(_context):
        raise ActionFailed("refused: as-hunter2-secret", name="refused")

    kit.tea.fail("brew", leak)
    printed = call("run", "goal=served", code=1)
    stored = (kit.state / "ledger.db").read_bytes()
    _secrets_of_process.cache_clear()
    assert "as-hunter2-secret" not in printed.err
    assert "[secret]" in printed.err
    assert b"as-hunter2-secret" not in stored


def test_explaining_an_unreachable_goal_names_the_smallest_gap_and_what_would_follow(kit, call):
    del kit.catalogue.actions["fill"]
    goal = data_of(call("explain", "served", "--json"))
    assert [each["fact"] for each in goal["missing"]] == ["water"]
    assert goal["then"]["steps"] == ["shop", "boil", "brew"]
    text = call("explain", "goal=served").out
    assert "water = true, needed by boil, make_fire" in text
    assert "water missing" in text


@pytest.mark.parametrize("kind", ["mermaid", "dot"])
def test_a_plan_can_be_drawn_and_the_drawing_is_always_the_same(call, kind):
    drawing = call("plan", "goal=served", "--graph", kind).out
    assert "brew" in drawing
    assert call("plan", "goal=served", "--graph", kind).out == drawing


def test_a_report_is_one_html_file_that_needs_nothing_else(kit, call):
    def brew(_context):
        raise ActionFailed("<script>alert(1)</script> {{7*7}}", name="hostile")

    kit.tea.fail("brew", brew)
    call("run", "goal=served", code=1)
    path = kit.state / "report.html"
    assert call("report", "last", f"out={path}", f"state={kit.state}").out == f"{path}\n"
    page = path.read_text(encoding="utf-8")
    assert "goal=served" in page
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; {{7*7}}" in page
    assert "http://" not in page
    assert "https://" not in page


def test_what_is_printed_has_no_number_that_json_does_not_have(kit, call):
    (kit.tea.root / "power").unlink()
    kit.catalogue.actions.pop("make_fire")
    printed = call("plan", "goal=served", "--json", code=4).out
    json.loads(printed, parse_constant=pytest.fail)
    assert json.loads(printed)["data"]["lower_bound"] is None
