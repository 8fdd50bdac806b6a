"""Rendering: the same values give the same bytes, and a template can do nothing else."""

import os
import subprocess
import sys

import pytest

from agents.errors import ActionFailed
from agents.records.text.render import render

RENDER = """
import hashlib, sys
from pathlib import Path
from agents.ledger.store import Ledger
from agents.records.write import draft
from actions.contributions import TRAINING
events = Ledger(Path(sys.argv[1]), readonly=True).events()
made = draft(events, Path(sys.argv[2]), TRAINING)
print(hashlib.sha256(repr(sorted(made.after.items())).encode()).hexdigest())
"""


def _digests(story, repository, seeds: range) -> set[str]:
    story.train("r1")
    story.train("r2", loss=0.2)
    story.train("r3", decision="Use the average.")
    found = set()
    for seed in seeds:
        done = subprocess.run(
            [sys.executable, "-c", RENDER, str(story.ledger.path), str(repository.root)],
            env={**os.environ, "PYTHONHASHSEED": str(seed), "TZ": f"UTC{seed % 12 - 6:+d}"},
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(done.stdout)
    return found


def test_other_hash_seeds_and_time_zones_render_the_same_bytes(story, repository):
    assert len(_digests(story, repository, range(4))) == 1


@pytest.mark.slow
def test_a_hundred_renderings_under_other_hash_seeds_are_one_byte_string(story, repository):
    found = _digests(story, repository, range(100))
    print(f"100 renderings under other hash seeds and time zones: {len(found)} byte string")
    assert len(found) == 1


def test_a_name_that_was_not_given_fails_the_rendering():
    with pytest.raises(ActionFailed, match="'cost' is undefined") as caught:
        render("x", {"a": 1}, source="{{ cost }}")
    assert caught.value.name == "fact_missing"


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ items.append(1) }}",
        "{{ items.__class__ }}",
        "{{ render.__globals__ }}",
    ],
)
def test_a_template_cannot_reach_or_change_anything(source):
    items = [0]
    with pytest.raises(ActionFailed):
        render("x", {"items": items, "render": render}, source=source)
    assert items == [0]


@pytest.mark.parametrize("source", ["{{ value | safe }}", "{{ range(3) }}", "{% include 'x' %}"])
def test_a_template_has_no_way_around_escaping_and_no_globals(source):
    with pytest.raises(ActionFailed):
        render("x", {"value": "<b>"}, source=source)


def test_what_a_template_prints_is_escaped_unless_a_filter_made_it_safe():
    source = "{{ value }} {{ value | code }} {{ [value, value] | join('|') }}"
    assert render("x", {"value": "a*b"}, source=source) == r"a\*b a\*b a\*b\|a\*b"
