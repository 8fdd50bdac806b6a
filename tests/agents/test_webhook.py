"""Webhooks: signed, small, each kept once; everything else is refused."""

import asyncio
import hashlib
import hmac
import io
import json
import socket

import aiohttp
import pytest

from agents.errors import UsageError
from agents.ledger.store import Ledger
from agents.watching.signatures import verified
from agents.watching.webhook import WebhookServer, secret_of

SECRET = b"0123456789abcdef-secret"
BODY = b'{"ref": "refs/heads/main", "nested": {"a": 1}}'


def sign(body, secret=SECRET):
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger.db") as ledger:
        yield ledger


@pytest.fixture
def server(ledger):
    server = WebhookServer(ledger, SECRET, port=0)
    try:
        yield server
    finally:
        server.close()


def post(server, *requests):
    """The statuses of requests that are made at the same time."""

    async def all_of_them():
        address = f"http://127.0.0.1:{server.port}"
        async with aiohttp.ClientSession(address) as session:

            async def one(path="/hooks/retrain", body=BODY, headers=None, **more):
                given = {"X-Hub-Signature-256": sign(body), "X-GitHub-Delivery": "d1"}
                async with session.post(
                    path, data=io.BytesIO(body), headers=given | (headers or {})
                ) as answer:
                    return answer.status

            return await asyncio.gather(*[one(**request) for request in requests])

    return asyncio.run(all_of_them())


def test_a_signed_delivery_becomes_an_event_without_its_body(server, ledger):
    assert post(server, {"headers": {"X-GitHub-Event": "push"}}) == [202]
    (event,) = ledger.events()
    assert (event.type, event.source, event.id) == ("webhook.received", "webhook/retrain", "d1")
    assert event.data["fields"] == {
        "ref": "refs/heads/main",
        "branch": "main",
        "nested.a": 1,
        "deleted": False,
    }
    assert event.data["sha256"] == hashlib.sha256(BODY).hexdigest()
    assert event.data["kind"] == "push"


def test_the_same_delivery_fifty_times_at_once_is_one_event(server, ledger):
    statuses = post(server, *[{}] * 50)
    assert sorted(statuses) == [200] * 49 + [202]
    assert len(ledger.events()) == 1
    assert post(server, {}) == [200]
    assert post(server, {"headers": {"X-GitHub-Delivery": "d2"}}) == [202]


def raw_status(server, signature):
    """The status of a delivery with any bytes as its signature, also such as no client sends."""
    lines = (
        *(b"POST /hooks/retrain HTTP/1.1", b"Host: here", b"Connection: close"),
        *(b"X-GitHub-Delivery: d1", b"Content-Length: %d" % len(BODY)),
        b"X-Hub-Signature-256: " + signature,
    )
    head = b"\r\n".join((*lines, b"", b""))
    with socket.create_connection((server.host, server.port), timeout=60) as connection:
        connection.sendall(head + BODY)
        with connection.makefile("rb") as answer:
            return int(answer.readline().split()[1])


def test_a_signature_with_any_bit_flipped_is_refused(server, ledger):
    signature = sign(BODY).encode()
    statuses = []
    for bit in range(8 * len(signature)):
        flipped = bytearray(signature)
        flipped[bit // 8] ^= 1 << bit % 8
        statuses.append(raw_status(server, bytes(flipped)))
    assert len(statuses) == 8 * len(signature) == 568
    assert set(statuses) <= {400, 401}
    assert ledger.events() == []
    assert raw_status(server, signature) == 202


def test_a_body_with_any_bit_flipped_is_refused():
    for bit in range(8 * len(BODY)):
        flipped = bytearray(BODY)
        flipped[bit // 8] ^= 1 << bit % 8
        assert not verified(SECRET, bytes(flipped), sign(BODY))


@pytest.mark.parametrize("signature", ["", "sha256=", "sha1=abc", sign(BODY)[7:], sign(b"x"), "é"])
def test_a_wrong_signature_is_refused_and_leaves_no_event(server, ledger, signature):
    assert post(server, {"headers": {"X-Hub-Signature-256": signature}}) == [401]
    assert ledger.events() == []


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"headers": {"X-GitHub-Delivery": ""}}, 400),
        ({"headers": {"X-GitHub-Delivery": "two words"}}, 400),
        ({"headers": {"X-GitHub-Delivery": "x" * 201}}, 400),
        ({"body": b"not json"}, 400),
        ({"body": b"[1]"}, 400),
        ({"body": b"[" * 100_000}, 400),
        ({"body": b'{"a": "' + b"x" * 1024 * 1024 + b'"}'}, 413),
        ({"path": "/hooks/../etc"}, 404),
        ({"path": "/hooks/UPPER"}, 404),
        ({"path": "/elsewhere"}, 404),
    ],
)
def test_what_is_not_a_delivery_is_refused(server, ledger, request_, status):
    assert post(server, request_) == [status]
    assert ledger.events() == []


def test_a_megabyte_is_the_most(server):
    body = json.dumps({"a": "x" * (1024 * 1024 - 9)}).encode()
    assert len(body) == 1024 * 1024
    assert post(server, {"body": body}) == [202]


def test_without_a_good_secret_nothing_is_served(ledger):
    for environment in ({}, {"AGENTS_WEBHOOK_SECRET": "short"}):
        with pytest.raises(UsageError, match="AGENTS_WEBHOOK_SECRET") as caught:
            secret_of(environment)
        assert "short" not in caught.value.message.replace("shorter", "")


def test_a_delivery_that_cannot_be_kept_is_to_be_sent_again(server, ledger):
    ledger.close()
    assert post(server, {}) == [503]


@pytest.mark.parametrize("host", ["300.1.1.1", "nowhere.invalid", "192.0.2.1"])
def test_an_address_that_is_none_of_this_machine_is_refused(ledger, host):
    with pytest.raises(UsageError, match="cannot listen") as caught:
        WebhookServer(ledger, SECRET, host=host, port=0)
    assert "host=" in caught.value.fix


def test_it_listens_on_this_machine_only_and_a_taken_port_is_said(server, ledger):
    assert server.host == "127.0.0.1"
    with pytest.raises(UsageError, match="cannot listen"):
        WebhookServer(ledger, SECRET, port=server.port)
