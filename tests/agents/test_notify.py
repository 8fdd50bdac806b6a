"""A person is told somewhere else what matters, once each, also after a kill."""

import dataclasses
import http.server
import json
import socket
import stat
import threading
from email import message_from_bytes
from email.policy import default

import pytest

from agents import api
from agents.declare.actions import Cost
from agents.errors import ActionFailed, NotApproved, Transient, UsageError
from agents.ledger.events import new_event
from agents.ledger.payloads import MoneyLow, PersonAwaited, PersonTold, RunFinished
from agents.ledger.redaction import redact
from agents.ledger.store import Ledger
from agents.notify import Sender, sender_of
from agents.run.asking import question_of_json
from agents.run.notices import Notices
from agents.run.notifying import Notifying
from agents.run.reporter import Silent

SECONDS = 60
PASSWORD = "pw-0123456789"  # noqa: S105 - made up


@pytest.fixture
def letters(tmp_path, monkeypatch):
    """A command that keeps what it is told; gives the titles and texts so far."""
    folder = tmp_path / "letters"
    folder.mkdir()
    program = tmp_path / "post"
    program.write_text(
        f'#!/bin/sh\nn=$(ls {folder} | wc -l)\n(echo "$1"; cat) > {folder}/$(printf %03d $n)\n',
        encoding="utf-8",
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("AGENTS_NOTIFY", str(program))
    return lambda: [path.read_text(encoding="utf-8") for path in sorted(folder.iterdir())]


def pursue(kit, **asked):
    return api.run(kit.question(**asked), threading.Event())


def test_the_end_of_a_run_is_told_once(kit, letters):
    done = pursue(kit)
    (letter,) = letters()
    assert letter.splitlines()[0] == "served is done"
    assert f"show {done.run}" in letter
    pursue(kit)  # it holds already: that is no news
    assert len(letters()) == 1


def test_a_failure_says_what_and_how_to_mend_it(kit, letters):
    def broken(_context):
        raise ActionFailed("the cup is broken", fix="buy a cup", name="broken")

    kit.tea.fail("brew", broken)
    with pytest.raises(ActionFailed):
        pursue(kit)
    (letter,) = letters()
    assert letter.splitlines()[:3] == ["served stalled", "the cup is broken", "buy a cup"]


def test_a_plan_that_waits_for_a_person_is_told_once_however_often_it_is_asked(kit, letters):
    brew = kit.catalogue.actions["brew"]
    kit.catalogue.actions["brew"] = dataclasses.replace(brew, approval=True)
    for _ in range(2):
        with pytest.raises(NotApproved):
            pursue(kit)
    (letter,) = letters()
    assert letter.splitlines()[0] == "served waits for you to agree to brew"
    assert "approve " in letter


def test_eighty_percent_of_the_money_is_told_once(kit, letters):
    for name in ("fill", "shop"):
        declared = kit.catalogue.actions[name]
        kit.catalogue.actions[name] = dataclasses.replace(
            declared, cost=lambda _: Cost(2.0, 1.0), meter=None
        )
    pursue(kit, max_cost=2.4)
    titles = [letter.splitlines()[0] for letter in letters()]
    assert titles == ["served: 80 % of the money is used", "served is done"]
    assert "$2.00 of $2.40 are used" in letters()[0]


def test_what_waits_for_a_log_in_is_told_once_a_day(kit):
    notices = Notices(kit.question().request)

    def told(payload, day):
        event = new_event(payload, run=f"r{day}").model_copy(
            update={"time": f"2026-03-0{day}T10:00:00.000Z"}
        )
        return notices.of(event)

    first = told(PersonAwaited(message="log in", fix="modal token new", seconds=60.0), 1)
    assert first.title == "served waits for you to log in"
    assert first.text == "log in\nmodal token new"
    ended = RunFinished(status="unauthenticated", exit_code=8, message="log in")
    assert told(ended, 1).key == first.key
    assert told(ended, 2).key != first.key
    for status in ("interrupted", "lost", "locked", "nothing to do"):
        assert told(RunFinished(status=status), 1) is None
    assert told(MoneyLow(usd=4.0, cap=5.0), 1).text.startswith("$4.00 of $5.00 are used")


@pytest.fixture
def notifying(kit):
    """A reporter in the ledger of the kitchen that sends with this."""

    def notifying(ledger, send, said):
        return Notifying(Silent(), ledger, Notices(kit.question().request), send, said.append)

    return notifying


def test_what_a_killed_run_wrote_down_and_did_not_send_the_next_one_sends_once(kit, notifying):
    ended = new_event(RunFinished(status="done"), run="r1")
    sent, said = [], []

    def kill(*_):
        raise Transient("the machine went away")

    with Ledger(kit.state / "ledger.db") as ledger:
        with notifying(ledger, kill, said) as reporter:
            reporter.event(ended)
            reporter.event(ended)
        assert said == ["nobody could be told 'served is done': the machine went away"]
        for _ in range(2):
            with notifying(ledger, lambda *letter: sent.append(letter), said) as reporter:
                reporter.event(ended)
        assert [title for title, _ in sent] == ["served is done"]
        told = [event.payload.sent for event in ledger.events(types=(PersonTold.kind,))]
        assert told == [False, True]


@pytest.mark.parametrize(
    ("where", "says"),
    [("no_such_program_here", "names no command"), ("'", "is no command"), ("", None)],
)
def test_a_place_that_is_none_is_refused_before_anything_is_done(kit, monkeypatch, where, says):
    monkeypatch.delenv("AGENTS_NOTIFY", raising=False)
    if says is None:
        assert sender_of(where) is None
        return
    with pytest.raises(UsageError, match=says):
        pursue(kit, notify=where)
    assert not kit.state.exists()


def test_an_agent_cannot_name_a_command(kit):
    with pytest.raises(UsageError, match="given by a person"):
        question_of_json(kit.catalogue, "served", {"notify": "rm"}, kit.state)


def test_a_command_that_fails_is_said_with_its_words():
    with pytest.raises(Transient, match=r"ended with 2: .*no-such-file"):
        Sender("ls no-such-file --")("title", "text")


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.headers, json.loads(body)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
    server.got = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_http_receiver_gets_it_and_its_password_is_shown_nowhere(kit, receiver, monkeypatch):
    pytest.importorskip("apprise", reason="the extra [notify] is not installed")
    monkeypatch.setattr("agents.ledger.redaction._VALUES", [])
    where = f"json://ada:{PASSWORD}@127.0.0.1:{receiver.server_port}/hook"
    pursue(kit, notify=where)
    ((headers, letter),) = receiver.got
    assert letter["title"] == "served is done"
    assert headers["Authorization"].startswith("Basic ")
    assert PASSWORD.encode() not in (kit.state / "ledger.db").read_bytes()
    assert PASSWORD not in redact(f"{where} {PASSWORD}")
    with pytest.raises(UsageError, match="is no URL that apprise knows") as caught:
        Sender(f"nonsense://{PASSWORD}")
    assert PASSWORD not in caught.value.message


def test_a_mail_server_gets_it(kit, monkeypatch):
    pytest.importorskip("apprise", reason="the extra [notify] is not installed")
    controllers = pytest.importorskip(
        "aiosmtpd.controller", reason="aiosmtpd, of the extra [dev], is not installed"
    )
    monkeypatch.setattr("agents.ledger.redaction._VALUES", [])
    mails = []

    class Keeps:
        async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - named by aiosmtpd
            mails.append(message_from_bytes(envelope.content, policy=default))
            return "250 kept"

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = controllers.Controller(Keeps(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        pursue(kit, notify=f"mailto://127.0.0.1:{port}?from=goap@example.org&to=ada@example.org")
    finally:
        controller.stop()
    (mail,) = mails
    assert mail["Subject"] == "served is done"
    assert mail["To"].endswith("ada@example.org")
    assert "show " in mail.as_string()
