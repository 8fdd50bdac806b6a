"""Strangers at the port: connections that say nothing, requests that are none, a ledger in use."""

import asyncio
import hashlib
import hmac
import http.client
import socket
import sqlite3
import threading
from contextlib import ExitStack, closing, contextmanager

import pytest

from agents.errors import Transient
from agents.ledger.events import new_event
from agents.ledger.payloads import Foreign
from agents.ledger.store import Ledger
from agents.watching.connections import Connections
from agents.watching.intake import Intake
from agents.watching.webhook import WebhookServer

SECRET = b"0123456789abcdef-secret"
BODY = b'{"ref": "refs/heads/main"}'
SIGNATURE = "sha256=" + hmac.new(SECRET, BODY, hashlib.sha256).hexdigest()
HEADERS = {"X-Hub-Signature-256": SIGNATURE, "X-Delivery-Id": "d1"}
PATIENT = 600.0
"""Longer than any test."""


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger.db", patience=0) as ledger:
        yield ledger


@contextmanager
def serving(ledger, **limits):
    told = []
    server = WebhookServer(
        ledger, SECRET, port=0, told=told.append, connections=Connections(**limits)
    )
    try:
        yield server, told
    finally:
        server.close()


def deliver(server, body=BODY, **headers):
    """The status of one delivery, over a connection of its own."""
    with closing(http.client.HTTPConnection(server.host, server.port, timeout=60)) as client:
        client.request("POST", "/hooks/retrain", body, HEADERS | headers)
        return client.getresponse().status


def connect(server, said=b""):
    connection = socket.create_connection((server.host, server.port), timeout=60)
    connection.sendall(said)
    return connection


def is_cut_off(connection):
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


HALF = b"POST /hooks/retrain HTTP/1.1\r\nHost: here\r\nX-Hub"
UNSIGNED_BODY = (
    b"POST /hooks/retrain HTTP/1.1\r\nHost: here\r\nX-Delivery-Id: d1\r\nContent-Length: 1000\r\n"
    b"X-Hub-Signature-256: sha256=" + b"0" * 64 + b"\r\n\r\nhalf a bo"
)


@pytest.mark.parametrize("said", [b"", HALF, UNSIGNED_BODY])
def test_connections_that_keep_us_waiting_make_room_the_oldest_first(ledger, said):
    endless = {"head_seconds": PATIENT, "body_seconds": PATIENT, "idle_seconds": PATIENT}
    with serving(ledger, most=8, **endless) as (server, told), ExitStack() as open_:
        silent = [open_.enter_context(connect(server, said)) for _ in range(20)]
        assert deliver(server) == 202
        assert all(is_cut_off(each) for each in silent[:12])
        assert deliver(server) == 200
    assert told == []


def test_who_does_not_say_in_time_what_they_want_is_cut_off(ledger):
    limits = {"head_seconds": 0.01, "body_seconds": 0.01, "idle_seconds": 0.01}
    with serving(ledger, **limits) as (server, _), ExitStack() as open_:
        for said in (b"", HALF, UNSIGNED_BODY):
            assert is_cut_off(open_.enter_context(connect(server, said)))
        idle = open_.enter_context(connect(server, b"GET /health HTTP/1.1\r\nHost: here\r\n\r\n"))
        with idle.makefile("rb") as answer:
            assert answer.read().startswith(b"HTTP/1.1 200 ")


def test_the_end_waits_for_nobody_who_keeps_silent(ledger):
    endless = {"head_seconds": PATIENT, "body_seconds": PATIENT, "idle_seconds": PATIENT}
    with ExitStack() as open_:
        with serving(ledger, **endless) as (server, _):
            silent = [
                open_.enter_context(connect(server, said)) for said in (b"", HALF, UNSIGNED_BODY)
            ]
            assert deliver(server) == 202
        assert all(is_cut_off(each) for each in silent)


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # the beginning of TLS
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /hooks/retrain HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /hooks/retrain HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /hooks/retrain HTTP/1.1\r\nno colon\r\n\r\n",
        b"A" * 20_000 + b"\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: \xff\r\n\r\n",
    ],
)
def test_what_is_no_request_gets_an_answer_and_no_lines(ledger, said, capfd):
    with serving(ledger) as (server, told):
        with connect(server, said) as connection:
            connection.shutdown(socket.SHUT_WR)
            with connection.makefile("rb") as answer:
                assert answer.readline() in (
                    b"",
                    *(
                        f"HTTP/1.{minor} {status}\r\n".encode()
                        for minor in (0, 1)
                        for status in ("400 Bad Request", "401 Unauthorized", "404 Not Found")
                    ),
                )
        assert deliver(server) == 202
    assert told == []
    assert capfd.readouterr() == ("", "")


def test_a_body_without_a_signature_is_not_waited_for(ledger):
    endless = {"head_seconds": PATIENT, "body_seconds": PATIENT, "idle_seconds": PATIENT}
    head = b"POST /hooks/retrain HTTP/1.1\r\nHost: a\r\nContent-Length: 999999\r\n"
    with serving(ledger, **endless) as (server, _):
        for proof in (b"", b"X-Hub-Signature-256: sha256=abc\r\n", b"webhook-signature: v1,x\r\n"):
            with connect(server, head + proof + b"\r\n") as connection:
                assert connection.recv(100).startswith(b"HTTP/1.1 401 ")


def test_a_delivery_waits_for_a_ledger_that_another_process_writes(ledger, tmp_path):
    statuses = []
    with serving(ledger) as (server, told), closing(sqlite3.connect(ledger.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        sender = threading.Thread(target=lambda: statuses.append(deliver(server)))
        sender.start()
        sender.join(0.1)
        assert statuses == []
        other.rollback()
        sender.join()
    assert (statuses, told) == ([202], [])
    assert [event.id for event in ledger.events()] == ["d1"]


def test_a_ledger_that_stays_in_use_is_said_once_and_the_events_go_back_to_who_sent_them(ledger):
    told, received = [], []
    intake = Intake(ledger, received.extend, told.append, give_up_seconds=0.0)

    async def keep(*ids):
        events = [new_event(Foreign(of_type="a"), id=id_) for id_ in ids]
        return await asyncio.gather(*map(intake.keep, events), return_exceptions=True)

    with closing(sqlite3.connect(ledger.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(3):
            assert {type(each) for each in asyncio.run(keep("1", "2"))} == {Transient}
        other.rollback()
    assert asyncio.run(keep("1", "2", "1")) == [True, True, False]
    intake.close(60)
    assert [line.partition(" ")[0] for line in told] == ["webhooks:", "webhooks:"]
    assert [event.id for event in received] == ["1", "2"]
    assert [event.id for event in ledger.events()] == ["1", "2"]


def writes(path):
    """How often a file was written to, as SQLite counts it."""
    return int.from_bytes(path.read_bytes()[24:28], "big")


def test_events_that_arrive_while_another_write_goes_on_are_written_together(ledger):
    intake = Intake(ledger, lambda _: None)

    async def keep():
        events = [new_event(Foreign(of_type="a"), id=f"{number}") for number in range(200)]
        return await asyncio.gather(*map(intake.keep, events))

    before = writes(ledger.path)
    assert asyncio.run(keep()) == [True] * 200
    intake.close(60)
    assert writes(ledger.path) - before < 50
    assert len(ledger.events()) == 200
