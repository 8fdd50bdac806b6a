"""What services send: which deliveries prompt a look, and by what triggers choose among them."""

import base64
import hashlib
import hmac
import http.client
import json
import time
import urllib.parse
from contextlib import closing

import pytest

from agents.declare.triggers import on
from agents.errors import UsageError
from agents.ledger.store import Ledger
from agents.watching.webhook import WebhookServer

SECRET = b"0123456789abcdef-secret"
HOOK = on("webhook.received", where={"name": "retrain"})


class Sender:
    """Sends to a server as a service does, and reads what became of it."""

    def __init__(self, ledger, server):
        self.ledger, self.server, self.sent = ledger, server, 0

    def post(self, body, headers):
        with closing(
            http.client.HTTPConnection(self.server.host, self.server.port, timeout=60)
        ) as client:
            client.request("POST", "/hooks/retrain", body, headers)
            answer = client.getresponse()
            answer.read()
            return answer.status

    def github(self, kind, said, *, id_="", form=False):
        body = json.dumps(said).encode()
        headers = {"Content-Type": "application/json"}
        if form:
            body = urllib.parse.urlencode({"payload": body}).encode()
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
        self.sent += 1
        headers |= {
            "X-GitHub-Event": kind,
            "X-GitHub-Delivery": id_ or f"g-{self.sent}",
            "X-Hub-Signature-256": "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest(),
        }
        return self.post(body, headers)

    def gitlab(self, kind, said, **headers):
        self.sent += 1
        own = {"X-Gitlab-Event": kind, "X-Gitlab-Token": SECRET.decode()}
        own["Idempotency-Key"] = f"l-{self.sent}"
        return self.post(json.dumps(said).encode(), own | headers)

    def anybody(self, body, **headers):
        self.sent += 1
        signature = "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
        own = {"X-Hub-Signature-256": signature, "X-Delivery-Id": f"a-{self.sent}"}
        return self.post(body, own | headers)

    def last(self):
        return self.ledger.events()[-1]


@pytest.fixture
def sender(tmp_path):
    with Ledger(tmp_path / "ledger.db") as ledger:
        server = WebhookServer(ledger, SECRET, port=0)
        try:
            yield Sender(ledger, server)
        finally:
            server.close()


PUSH = {
    "ref": "refs/heads/main",
    "before": "1" * 40,
    "after": "2" * 40,
    "created": False,
    "deleted": False,
    "forced": False,
    "repository": {"id": 1, "full_name": "me/models", "private": True, "owner": {"login": "me"}},
    "pusher": {"name": "me"},
    "commits": [
        {"id": "2" * 40, "added": ["training/new.py"], "removed": [], "modified": ["README.md"]},
        {"id": "3" * 40, "added": [], "removed": ["old.py"], "modified": ["README.md"]},
    ],
}
GONE = {**PUSH, "after": "0" * 40, "deleted": True, "commits": [], "head_commit": None}
FINISHED = {
    "action": "completed",
    "workflow_run": {"id": 7, "conclusion": "success", "head_branch": "main", "run_attempt": 1},
    "repository": {"full_name": "me/models"},
}
RELEASED = {
    "action": "published",
    "release": {"tag_name": "v1", "draft": False, "prerelease": True, "body": None},
}


@pytest.mark.parametrize("form", [False, True])
def test_a_push_prompts_a_look_and_says_what_it_touched(sender, form):
    assert sender.github("push", PUSH, form=form) == 202
    event = sender.last()
    assert (event.id, event.payload.delivery_kind) == ("g-1", "push")
    assert event.payload.paths == ("README.md", "old.py", "training/new.py")
    fitting = [
        HOOK,
        on("webhook.received", branch="main", paths="training/**"),
        on("webhook.received", where={"kind": "push", "deleted": False}),
        on("webhook.received", where={"deleted": "false", "repository.full_name": "me/models"}),
        on("webhook.received", where={"repository.id": 1, "repository.private": True}),
        on("webhook.received", where={"repository.owner.login": "me", "pusher.name": "me"}),
    ]
    others = [
        on("webhook.received", branch="draft"),
        on("webhook.received", paths="docs/**"),
        on("webhook.received", where={"deleted": True}),
        on("webhook.received", where={"repository.id": True}),
        on("webhook.received", where={"repository.owner": "me"}),
        on("webhook.received", where={"head_commit": None}),
    ]
    assert all(each.matches(event) for each in fitting)
    assert not any(each.matches(event) for each in others)


def test_a_ping_is_answered_and_is_no_event(sender):
    assert sender.github("ping", {"zen": "Keep it simple.", "hook_id": 1}) == 200
    assert sender.ledger.events() == []


@pytest.mark.parametrize(
    ("kind", "said", "asking"),
    [
        ("push", GONE, {"deleted": True}),
        ("workflow_run", FINISHED, {"kind": "workflow_run", "workflow_run.conclusion": "success"}),
        ("release", RELEASED, {"kind": "release", "release.prerelease": True}),
        ("delete", {"ref": "old", "ref_type": "branch"}, {"kind": "delete"}),
        ("star", {"action": "created"}, {"kind": "star"}),
    ],
)
def test_what_brings_nothing_to_look_at_prompts_those_alone_who_ask_for_it(
    sender, kind, said, asking
):
    assert sender.github(kind, said) == 202
    event = sender.last()
    assert not HOOK.matches(event)
    assert on("webhook.received", where=asking).matches(event)
    assert not on("webhook.received", where={**asking, "name": "other"}).matches(event)


def test_a_delivery_that_is_sent_again_is_one_event(sender):
    assert [sender.github("push", PUSH, id_="same") for _ in range(3)] == [202, 200, 200]
    assert len(sender.ledger.events()) == 1


def test_a_push_of_more_than_is_listed_may_have_touched_any_file(sender):
    commits = [{"added": [f"{number}.md"]} for number in range(600)]
    sender.github("push", {**PUSH, "commits": commits})
    assert on("webhook.received", paths="training/**").matches(sender.last())


LAB = {
    "object_kind": "push",
    "ref": "refs/heads/main",
    "after": "2" * 40,
    "project": {"path_with_namespace": "me/models"},
    "total_commits_count": 1,
    "commits": [{"added": [], "modified": ["training/a.py"], "removed": []}],
}


def test_gitlab_is_understood_as_well(sender):
    assert sender.gitlab("Push Hook", LAB) == 202
    event = sender.last()
    assert event.id == "l-1"
    assert HOOK.matches(event)
    where = {"kind": "push", "project.path_with_namespace": "me/models", "deleted": False}
    assert on("webhook.received", branch="main", paths="training/*", where=where).matches(event)
    assert sender.gitlab("Push Hook", {**LAB, "after": "0" * 40, "commits": []}) == 202
    assert not HOOK.matches(sender.last())
    assert on("webhook.received", where={"deleted": True}).matches(sender.last())
    assert sender.gitlab("Pipeline Hook", {"object_kind": "pipeline"}) == 202
    assert not HOOK.matches(sender.last())
    assert on("webhook.received", where={"kind": "pipeline"}).matches(sender.last())
    sender.gitlab("Push Hook", {**LAB, "total_commits_count": 30})
    assert on("webhook.received", paths="docs/**").matches(sender.last())


def test_who_does_not_know_the_secret_is_refused_whatever_the_proof(sender):
    assert sender.gitlab("Push Hook", LAB, **{"X-Gitlab-Token": "another secret"}) == 401
    assert sender.gitlab("Push Hook", LAB, **{"X-Gitlab-Token": ""}) == 401
    unsigned = {"X-Gitlab-Token": SECRET.decode(), "X-Hub-Signature-256": "sha256=" + "0" * 64}
    assert sender.gitlab("Push Hook", LAB, **unsigned) == 401
    assert sender.ledger.events() == []


@pytest.mark.parametrize(
    ("later", "id_", "status"),
    [(0, "one", 202), (0, "other", 401), (-600, "one", 401), (600, "one", 401)],
)
def test_a_signature_over_id_time_and_body_is_good_for_these_alone(sender, later, id_, status):
    body, now = b'{"order": 1}', int(time.time()) + later
    digest = hmac.new(SECRET, b"one.%d.%s" % (now, body), hashlib.sha256).digest()
    said = {"webhook-id": id_, "webhook-timestamp": str(now)}
    old = "v1," + base64.b64encode(bytes(32)).decode()
    said["webhook-signature"] = f"{old} v1,{base64.b64encode(digest).decode()}"
    assert sender.post(body, said) == status
    assert [event.id for event in sender.ledger.events()] == ["one"] * (status == 202)


def test_anybody_may_send_an_object_of_a_kind_with_values_inside(sender):
    body = json.dumps({"order": {"total": 9.5, "lines": [1, 2], "note": None}, "n": 1}).encode()
    assert sender.anybody(body, **{"X-Event": "ordered"}) == 202
    event = sender.last()
    assert event.payload.fields == {"n": 1, "order.total": 9.5, "order.note": None}
    assert on("webhook.received", where={"kind": "ordered", "order.total": 9.5}).matches(event)
    assert on("webhook.received", where={"order.note": None, "n": 1.0}).matches(event)
    assert not on("webhook.received", where={"n": True}).matches(event)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": "\\ud800", "\\udfff": 1, "paths": ["\\udc80"]}',
        b'{"a": 1e999, "b": NaN, "c": -Infinity}',
        b'{"a": "\\u0000"}',
        b'{"\xc3\xa9": "\xf0\x9f\x90\x88"}',
        b'{"a": ' * 60 + b"1" + b"}" * 60,
        json.dumps({f"k{n}": "v" * 900 for n in range(1000)}).encode(),
        json.dumps({"k" * 5000: 1}).encode(),
    ],
)
def test_whatever_is_in_a_body_becomes_an_event_that_everybody_can_read(sender, body):
    assert sender.anybody(body) == 202
    assert HOOK.matches(sender.last())
    assert sender.ledger.check() == []
    assert len(json.dumps(sender.last().data)) < 60_000


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize("body", [b"\xff", b"null", b'{"a": ' * 100_000, b"[]", b"payload"])
@pytest.mark.parametrize("headers", [{}, FORM])
def test_what_is_no_object_is_refused(sender, body, headers):
    assert sender.anybody(body, **headers) == 400
    assert sender.anybody(b"payload=" + body, **headers) == 400


def test_headers_that_are_no_text_become_an_event_that_everybody_can_read(sender):
    assert sender.anybody(b"{}", **{"X-Event": b"\xff\xfe\xe9t\xe9"}) == 202
    assert sender.ledger.check() == []
    assert sender.anybody(b"{}", **{"X-Delivery-Id": b"\xff"}) == 400


@pytest.mark.parametrize(
    "where",
    [{"a": ["b"]}, {"a": {"b": 1}}, {"": 1}, {"a..b": 1}, {"a.": 1}, {"a": float("nan")}],
)
def test_what_no_event_can_have_is_refused_when_it_is_declared(where):
    with pytest.raises(UsageError, match="where="):
        on("webhook.received", where=where)


def test_a_trigger_is_shown_as_it_is_declared():
    shown = str(on("webhook.received", branch="main", where={"deleted": False, "a.b": "c"}))
    assert shown == "webhook.received on main where a.b=c, deleted=false"
