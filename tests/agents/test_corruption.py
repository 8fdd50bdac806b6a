"""A damaged file: a command ends with 9 or is right; doctor mends it, or says what is lost."""

import json
import random
import shutil
import sqlite3
import time
from contextlib import closing

import pytest

from agents.cli.main import invoke
from agents.ledger.chain import GUARDS
from agents.ledger.store import Ledger

COMMANDS = (
    ["plan", "goal=served"],
    ["status", "goal=served"],
    ["runs"],
    ["show", "last"],
    ["show", "last~2", "--events"],
)
PAGE = 4096


def flip(path, choose):
    """Bytes of the file are others."""
    raw = bytearray(path.read_bytes())
    for _ in range(choose.choice((1, 1, 4, 32))):
        raw[choose.randrange(len(raw))] ^= 1 << choose.randrange(8)
    path.write_bytes(raw)


def scribble(path, choose):
    """A stretch of the file is noise."""
    raw = bytearray(path.read_bytes())
    at = choose.randrange(len(raw))
    noise = choose.randbytes(choose.randrange(1, 600))
    raw[at : at + len(noise)] = noise[: len(raw) - at]
    path.write_bytes(raw)


def truncate(path, choose):
    """The end of the file is gone."""
    raw = path.read_bytes()
    path.write_bytes(raw[: choose.randrange(1, len(raw))])


def swap(path, choose):
    """Two pages of the file stand in each other's place."""
    raw = path.read_bytes()
    pages = [raw[at : at + PAGE] for at in range(0, len(raw), PAGE)]
    one, other = choose.sample(range(len(pages)), 2)
    pages[one], pages[other] = pages[other], pages[one]
    path.write_bytes(b"".join(pages))


def blank(path, choose):
    """A page of the file is empty."""
    raw = bytearray(path.read_bytes())
    at = choose.randrange(len(raw) // PAGE) * PAGE
    raw[at : at + PAGE] = bytes(PAGE)
    path.write_bytes(raw)


def edit(path, choose):
    """A row of events says something else, or nothing that is JSON."""
    change = choose.choice(
        (
            "UPDATE events SET data = '{\"a\":' WHERE seq = ?",
            "UPDATE events SET data = '[1]' WHERE seq = ?",
            "UPDATE events SET data = CAST(x'fffe' AS TEXT) WHERE seq = ?",
            "UPDATE events SET type = 'run.finished' WHERE seq = ?",
            "UPDATE events SET time = 'never' WHERE seq = ?",
            "UPDATE events SET run = run || 'x' WHERE seq = ?",
            "DELETE FROM events WHERE seq = ?",
            "UPDATE events SET hash = '' WHERE seq = ?",
        )
    )
    with closing(sqlite3.connect(path)) as connection, connection:
        (last,) = connection.execute("SELECT max(seq) FROM events").fetchone()
        for name in GUARDS:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(change, (choose.randrange(1, last + 1),))
        if choose.random() < 0.8:
            for guard in GUARDS.values():
                connection.execute(guard)


def project(path, choose):
    """What was made from the events says something else."""
    change = choose.choice(
        (
            "UPDATE projected_accounts SET state = replace(state, '0', '7')",
            "UPDATE projected_runs SET status = 'lost', usd = 99",
            "UPDATE projected_samples SET took = took * 9",
            "DELETE FROM projected_runs",
            "DROP TABLE projected_mentions",
            "DROP INDEX projected_runs_by_what",
            "DELETE FROM projected_mentions",
        )
    )
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(change)


HARMS = (flip, flip, scribble, truncate, swap, blank, edit, project)


@pytest.fixture
def base(kit):
    """A ledger with three runs, and what its events are."""
    for _ in range(3):
        kit.run()
        (kit.tea.root / "tea").unlink()
    path = kit.state / "ledger.db"
    kept = kit.state.parent / "kept.db"
    shutil.copy(path, kept)
    return kept, [event.model_dump() for event in kit.events()]


def said(kit, capsys, words):
    code = invoke(lambda: kit.catalogue, [*words, f"state={kit.state}"])
    out, err = capsys.readouterr()
    assert "should not happen" not in err, f"{words}\n{err}"
    return code, out


def harmed(kit, base, seed, capsys):
    """One corruption: what every command says of it, and what doctor makes of it."""
    choose, (kept, events) = random.Random(seed), base
    path = kit.state / "ledger.db"
    for each in kit.state.glob("*ledger.db*"):
        each.unlink()
    shutil.copy(kept, path)
    harm = choose.choice(HARMS)
    harm(path, choose)
    where = f"seed {seed}: {harm.__doc__}"
    damaged = path.read_bytes()
    for words in COMMANDS:
        code, _ = said(kit, capsys, words)
        assert code in (0, 9), f"{where} {words}"
    code, out = said(kit, capsys, ["doctor", "--json"])
    (finding,) = [each for each in json.loads(out)["data"] if each["check"] == "ledger"]
    if code == 0:
        with Ledger(path, readonly=True) as ledger:
            assert [event.model_dump() for event in ledger.events()] == events, where
            assert ledger.check() == [], where
        for words in COMMANDS:
            assert said(kit, capsys, words)[0] == 0, f"{where} {words}"
        return "mended" if path.read_bytes() != damaged else "harmless"
    assert code == 9, f"{where} {finding}"
    assert not finding["ok"]
    assert "mv " in finding["fix"], where
    assert "believed" in finding["found"], f"{where} {finding['found']}"
    if "salvage" not in finding["fix"]:
        return "lost"
    assert said(kit, capsys, ["ledger", "salvage"])[0] == 0, where
    with Ledger(path, readonly=True) as ledger:
        kept_events = [event.model_dump() for event in ledger.events()]
        assert kept_events == events[: len(kept_events)], where
        assert kept_events, where
        assert ledger.check() == [], where
    assert said(kit, capsys, COMMANDS[0])[0] == 0, where
    return "salvaged"


@pytest.mark.parametrize("seed", [2041, 2519])
def test_of_a_schema_that_is_no_text_any_more_doctor_says_so(kit, base, seed, capsys):
    harmed(kit, base, seed, capsys)


@pytest.mark.parametrize("seed", range(4))
def test_of_a_damaged_ledger_every_command_is_right_or_says_so(kit, base, seed, capsys):
    for number in range(2):
        harmed(kit, base, 1000 + 2 * seed + number, capsys)


@pytest.mark.slow
def test_of_a_thousand_damaged_ledgers_each_is_mended_or_told_of(kit, base, capsys):
    began, ends = time.monotonic(), {}
    for seed in range(2000, 3000):
        end = harmed(kit, base, seed, capsys)
        ends[end] = ends.get(end, 0) + 1
    with capsys.disabled():
        print(f"\n1,000 damaged ledgers in {time.monotonic() - began:.0f} s: {ends}")
