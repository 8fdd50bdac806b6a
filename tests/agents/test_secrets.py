"""Secrets reach no sink, in none of the shapes in which values are usually printed."""

import base64
import dataclasses
import html
import io
import json
import shlex
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pytest
from rich.console import Console

from agents.cli.main import invoke
from agents.cli.tree import TreeReporter
from agents.declare.actions import Progress
from agents.declare.outcome import Artifact, Decision, Measurement, Outcome
from agents.errors import ActionFailed
from agents.ledger.redaction import _secrets_of_process, redact, redacted, secret_values
from agents.ledger.secret_shapes import named_like_a_secret
from agents.mcp.tools import Toolkit
from agents.records import write_records

SECRET = "as-\"Zü<&'7/+ kq\\9x-0123456789"  # noqa: S105 - made up
SHAPES = {
    "plain": SECRET,
    "in a URL": f"https://user:{urllib.parse.quote(SECRET, safe='')}@example.org/",
    "in a query": urllib.parse.urlencode({"token": SECRET}),
    "JSON": json.dumps({"token": SECRET}),
    "JSON with letters as they are": json.dumps({"token": SECRET}, ensure_ascii=False),
    "Python": repr({"token": SECRET}),
    "Python in ASCII": ascii([SECRET]),
    "HTML": html.escape(SECRET),
    "shell": shlex.join(["curl", "-H", SECRET]),
    "hex": SECRET.encode().hex(),
    "base64": base64.b64encode(SECRET.encode()).decode(),
    "base64 for URLs": base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="),
    "basic authentication": base64.b64encode(f"me:{SECRET}".encode()).decode(),
    "basic authentication of another": base64.b64encode(f"ada:{SECRET}!".encode()).decode(),
}
CORES = {
    "basic authentication": SHAPES["basic authentication"][4:-4],
    "basic authentication of another": SHAPES["basic authentication of another"][8:-4],
    "in a URL": urllib.parse.quote(SECRET, safe=""),
    "in a query": urllib.parse.quote_plus(SECRET),
    "JSON": json.dumps(SECRET)[1:-1],
    "JSON with letters as they are": json.dumps(SECRET, ensure_ascii=False)[1:-1],
    "Python": repr(SECRET)[1:-1],
    "Python in ASCII": ascii(SECRET)[1:-1],
    "shell": shlex.quote(SECRET),
}
NAMED = {
    "DATABASE_URL": "postgres://ada:db-0123456789@db.example.org/x",
    "GH_PAT": "pat-0123456789",
    "MYPASS": "pass-0123456789",
    "AUTH_HEADER": "auth-0123456789",
    "SIGNING_KEY": "sign-0123456789",
    "WANDB_KEY": "wandb-0123456789",
    "SSH_PASSPHRASE": "phrase-0123456789",
    "SENTRY_DSN": "dsn-0123456789",
    "githubToken": "hub-0123456789",
    "CLIENT_SECRET": "client-0123456789",
    "AWS_CREDENTIAL": "aws-0123456789",
    "HTTPS_PROXY": "http://ada:proxy-0123456789@proxy.example.org",
}
ALL = "  ".join([*SHAPES.values(), *NAMED.values(), "db-0123456789 proxy-0123456789"])
SINKS = {
    "terminal, plain",
    "terminal, live",
    "ledger",
    "show",
    "show --json",
    "runs --json",
    "error",
    "error --json",
    "traceback",
    "report (HTML)",
    "MCP",
    "records (ADR, learnings, run)",
}


def leaks(text):
    """The shapes that are in a text, also after another layer of escaping."""
    layers = [text, html.unescape(text), text.replace("\\\\", "\\").replace('\\"', '"')]
    cores = {name: CORES.get(name, shape) for name, shape in SHAPES.items()}
    cores |= {**NAMED, "DATABASE_URL": "db-0123456789", "HTTPS_PROXY": "proxy-0123456789"}
    return {name for name, core in cores.items() if any(core in layer for layer in layers)}


def leaking(kit):
    """Actions that tell all they know wherever something can be told."""

    def shout(_context):
        program = "import sys; print(sys.argv[1]); print(sys.argv[1], file=sys.stderr); sys.exit(1)"
        command = [sys.executable, "-c", program, ALL]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        raise ActionFailed(f"refused: {done.stdout}{done.stderr}", fix=ALL, name="refused")

    def brew(context):
        context.note(ALL, log=ALL, about={ALL: 1, "nested": [{"deep": ALL}]})
        context.progress(Progress(1, 2, ALL))
        kit.tea.make("tea")
        return Outcome(
            summary=ALL,
            measurements=(Measurement(name="strength", value=0.5, source=ALL),),
            artifacts=(Artifact(name="pot", path=ALL),),
            provenance={"key": ALL},
            decision=Decision(key="tea", title="Serve it", context=ALL, decision=ALL),
            lesson=ALL,
        )

    kit.tea.fail("boil", shout)
    kit.catalogue.actions["brew"] = dataclasses.replace(kit.catalogue.actions["brew"], run=brew)


def _broken(_params):
    try:
        return {}[ALL]
    except KeyError as error:
        raise RuntimeError(ALL) from error


def sinks_of(kit, tmp_path, capsys):
    """Everything that was printed or written, by where it went."""
    found = {}

    def call(name, *words, code=0):
        assert invoke(lambda: kit.catalogue, [*words, f"state={kit.state}"]) == code
        printed = capsys.readouterr()
        found[name] = printed.out + printed.err

    leaking(kit)
    call("terminal, plain", "run", "goal=served")
    call("show", "show", "last", "--events")
    call("show, brief", "show", "last")
    call("show --json", "show", "last", "--events", "--json")
    call("show --json, brief", "show", "last", "--json")
    call("runs --json", "runs", "--json")
    toolkit = Toolkit(lambda: kit.catalogue, kit.state)
    found["MCP"] = json.dumps(toolkit.run_data("last"))
    page = tmp_path / "report.html"
    call("report", "report", "last", f"out={page}")
    found["report (HTML)"] = page.read_text(encoding="utf-8")
    found["ledger"] = (kit.state / "ledger.db").read_bytes().decode("utf-8", "replace")
    write_records(kit.events(), tmp_path / "repo")
    records = [path for path in (tmp_path / "repo").rglob("*") if path.is_file()]
    assert len(records) >= 3
    found["records (ADR, learnings, run)"] = "".join(
        path.read_text(encoding="utf-8") for path in records
    )
    screen = io.StringIO()
    for name in ("tea", "hot"):
        (kit.tea.root / name).unlink()
    leaking(kit)
    with TreeReporter(Console(file=screen, force_terminal=True, width=10_000)) as reporter:
        kit.run(reporter=reporter)
    found["terminal, live"] = screen.getvalue()
    (kit.tea.root / "tea").unlink()
    (kit.tea.root / "hot").unlink()
    kit.catalogue.actions["make_fire"] = dataclasses.replace(
        kit.catalogue.actions["make_fire"], when=lambda _: False
    )
    for name, more in (("error", ()), ("error --json", ("--json",))):
        leaking(kit)
        call(name, "run", "goal=served", *more, code=1)
    kit.catalogue.goals["served"] = dataclasses.replace(
        kit.catalogue.goals["served"], wants=_broken
    )
    call("traceback", "plan", "goal=served", code=1)
    return found


@pytest.fixture
def secret(monkeypatch):
    """Puts the secret into the environment, or takes it away."""

    def put(name):
        monkeypatch.setenv(name, SECRET)
        for known, value in NAMED.items() if name == "SOME_API_KEY" else ():
            monkeypatch.setenv(known, value)
        _secrets_of_process.cache_clear()

    _secrets_of_process.cache_clear()
    yield put
    monkeypatch.undo()
    _secrets_of_process.cache_clear()


def test_no_shape_of_a_secret_reaches_any_sink(kit, tmp_path, capsys, secret):
    secret("SOME_API_KEY")
    found = sinks_of(kit, tmp_path, capsys)
    assert set(found) >= SINKS
    assert {name: leaks(text) for name, text in found.items() if leaks(text)} == {}
    assert all("[secret" in found[name].replace("\\", "") for name in SINKS - {"runs --json"})


def test_without_redaction_the_same_sinks_would_leak(kit, tmp_path, capsys, secret):
    """The test above can fail: where the value is no secret, every shape arrives."""
    secret("SOMETHING_HARMLESS")
    found = sinks_of(kit, tmp_path, capsys)
    for name in SINKS - {"runs --json", "records (ADR, learnings, run)"}:
        assert len(leaks(found[name])) >= 10, name
    assert leaks(found["records (ADR, learnings, run)"])


def test_a_stored_event_stays_readable_whatever_the_secret_is(kit, secret, monkeypatch):
    monkeypatch.setenv("ODD_TOKEN", '","b":"')
    secret("OTHER_TOKEN")
    kit.tea.fail("boil", _raising('{"a":"1","b":"2"}'))
    events = kit.run()
    failed = next(event.data for event in events if event.type == "step.failed")
    assert failed["message"] == '{"a":"1[secret]2"}'


def _raising(message):
    def fail(_context):
        raise ActionFailed(message)

    return fail


def test_a_key_of_many_lines_is_hidden_line_by_line_and_long_values_are_no_paths():
    key = "-----BEGIN KEY-----\n" + "\n".join(["AbCdEfGhIjKlMnOpQrSt"] * 3) + "\n-----END KEY-----"
    environment = {"PRIVATE_KEY": key, "LONG_TOKEN": "x" * 5000, "NULL_SECRET": "a\0bcdefgh"}
    assert redact("log: AbCdEfGhIjKlMnOpQrSt", environment) == "log: [secret]"
    assert redact("x" * 5000, environment) == "[secret]"
    assert redact("a\0bcdefgh", environment) == "[secret]"


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "PYTHONPATH",
        "PATTERN",
        "PATIENCE",
        "AUTHOR",
        "GIT_AUTHOR_NAME",
        "KEYBOARD",
        "TOKENIZERS_PARALLELISM",
        "COMPASS",
        "MONKEY",
        "PASSES",
        "PWD",
        "GOAP_KEY",
        "XAUTHORITY",
    ],
)
def test_a_name_that_only_has_the_letters_of_one_says_no_secret(name):
    assert not named_like_a_secret(name)


@pytest.mark.parametrize(
    "text",
    [
        "training key 0123456789abcdef, author: somebody",
        "key=0123456789abcdef tokens: 123456789",
        "MAX_TOKENS=100000 PATTERN_FILE=checkpoints",
        "git clone ssh://git@example.org/us/it; see https://example.org:443/@scope/it",
        "export AGENTS_WEBHOOK_SECRET=$(openssl rand -hex 16)",
        "modal secret create NAME KEY=VALUE",
    ],
)
def test_a_text_without_secrets_stays_as_it_is(text):
    assert redact(text, {"TRAINING": "0123456789abcdef", "MAX_TOKENS": "100000"}) == text


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("WANDB_API_KEY=abcdef0123 next", "WANDB_API_KEY=[secret] next"),
        ("{'GH_PAT': 'ghp 0123', 'A': 1}", "{'GH_PAT': '[secret]', 'A': 1}"),
        ("to postgres://ada:pw@db/x failed", "to postgres://[secret]@db/x failed"),
        ("https://ghp_0123456789abcdef@github.com/x", "https://[secret]@github.com/x"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer [secret]"),
    ],
)
def test_what_only_somebody_else_knows_is_hidden_by_its_shape(text, hidden):
    assert redact(text, {}) == hidden
    assert redacted([{"text": text, "MY_TOKEN": "abcdef"}]) == [
        {"text": hidden, "MY_TOKEN": "[secret]"}
    ]


def test_hiding_never_fails_whatever_there_is_to_read(tmp_path, monkeypatch):
    folder, binary = tmp_path / "folder", tmp_path / "binary"
    folder.mkdir()
    binary.write_bytes(b"token = '\xff\x00\xfe-0123456789'")
    names = ["\ud800 TOKEN", "", "A" * 10_000 + "TOKEN"]
    environment = dict.fromkeys(names, "\ud800\udcff-0123456789")
    values = secret_values(environment, [folder, binary, tmp_path / ("n" * 300), Path("a\0b")])
    assert "\ud800\udcff-0123456789" in values

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("agents.ledger.redaction._FILES", [homeless])
    _secrets_of_process.cache_clear()
    assert redact("\ud800 said") == "\ud800 said"
    _secrets_of_process.cache_clear()


def test_short_values_and_paths_are_left_alone(tmp_path):
    environment = {"TOKEN": "true", "SECRET_FILE": str(tmp_path), "HOME": "/home/somebody"}
    assert secret_values(environment) == []


@pytest.mark.parametrize(
    "line",
    ["token_secret = 'as-0123456789'", 'api_key: "as-0123456789"', '"password": "as-0123456789"'],
)
def test_values_of_a_configuration_file_are_hidden_where_their_keys_are_named_like_secrets(
    tmp_path, line
):
    file = tmp_path / "settings"
    file.write_text(f"[default]\n{line}\nregion = 'eu-north-1'\n", encoding="utf-8")
    assert "as-0123456789" in secret_values({}, [file, tmp_path / "none"])
    assert "eu-north-1" not in secret_values({}, [file])
