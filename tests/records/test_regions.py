"""Regions: what is generated can be told from what people wrote, always."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.records.evidence import run_log as history
from agents.records.text import markdown
from agents.records.text.merge import Merger
from agents.records.text.regions import parse, region_text, replace, without_regions

BODIES = st.text(alphabet="ab1 |#\n-<>!é", max_size=40).map(lambda text: text.strip("\n"))
OUTSIDE = st.text(alphabet="xy \n#*-", max_size=30)
VALUES = st.text(max_size=20)


@given(BODIES, VALUES, OUTSIDE, OUTSIDE)
def test_a_region_is_read_back_as_it_was_written(body, value, before, after):
    text = f"{before}\n{region_text('decision', body, {'key': value})}\n{after}"
    parsed = parse(text)
    assert parsed.faults == ()
    (region,) = parsed.regions
    assert region.intact
    assert (region.body, region.attribute("key")) == (body, value)


@given(BODIES, BODIES, OUTSIDE, OUTSIDE)
def test_replacing_a_region_keeps_every_byte_around_it(body, other, before, after):
    text = f"{before}\n{region_text('a/1', body)}\n{after}"
    changed = replace(text, parse(text).regions[0], region_text("a/1", other))
    assert changed.startswith(f"{before}\n<!-- goap:begin a/1 ")
    assert changed.endswith(f"<!-- goap:end a/1 -->\n{after}")
    assert without_regions(changed) == without_regions(text)


@given(BODIES, BODIES)
def test_any_change_of_the_body_shows(body, other):
    text = region_text("a/1", body)
    head, _, tail = text.partition("\n")
    forged = f"{head}\n{other}\n{tail[tail.index('<!-- goap:end') :]}"
    assert parse(forged).regions[0].intact is (other == body)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<!-- goap:begin a sha256=0 -->\nx\n", "a begins but does not end"),
        ("<!-- goap:end a -->\n", "a ends but does not begin"),
        (f"{region_text('a', 'x')}\n{region_text('a', 'y')}\n", "a is there twice"),
        ("<!-- goap:begin a -->\n<!-- goap:begin b -->\n<!-- goap:end b -->\n", "b begins inside"),
    ],
)
def test_markers_that_make_no_region_are_faults(text, problem):
    assert problem in " ".join(fault.problem for fault in parse(text).faults)


def test_putting_the_same_body_again_changes_nothing():
    merger = Merger("x.md", "# Mine\r\n\r\nText.\r\n")
    merger.put("a", "one\ntwo", at=len(merger.text))
    first = merger.text
    assert first.count("\n") == first.count("\r\n")
    merger.put("a", "one\ntwo", at=0)
    assert merger.text == first
    assert merger.conflicts == []


@pytest.mark.parametrize("module", [history, markdown])
def test_the_examples_in_docstrings_are_true(module):
    tried = doctest.testmod(module)
    assert tried.attempted > 0
    assert tried.failed == 0
