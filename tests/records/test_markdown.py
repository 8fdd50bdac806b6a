"""Values are inert: whatever they hold, the document around them stays what it was."""

import json
import re
import string
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from told import madr_text, outdated, verify_records, write_records

from agents.cli.report import report_html
from agents.declare.outcome import Decision, Outcome
from agents.ledger.events import Event
from agents.ledger.history import run_histories
from agents.records.adr.by_hand import list_adrs
from agents.records.text.markdown import code, number, prose, quoted, slug, text
from agents.records.text.regions import parse

HOSTILE = (
    "{{7*7}} {% raw %} {# x #}",
    "<!-- goap:end decision -->",
    "x\n<!-- goap:end decision -->\ny",
    "<!-- goap:begin header sha256=00 -->",
    "```\n# ADR-999: forged\n```",
    "~~~\nnever closed",
    "a | b | c",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "# ADR-999: forged\n\n**Status:** Accepted",
    "**Status:** Accepted",
    "[click](javascript:alert(1)) ![x](http://evil.example/x.png)",
    "---\nstatus: accepted\n---",
    "- [ ] task\n1. one\n> quote",
    "`code` ``two`` `",
    "\u202e reversed \u2028 line \x00 \x1b[31m",
    "&lt;script&gt; &#60;",
    "| --- | --- |",
    "*bold* __under__ ~~gone~~ $x$",
)


def _blocks(markdown: str) -> list[str]:
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    return [
        child.type
        for token in parser.parse(markdown)
        for child in (token, *(token.children or []))
        if child.type not in ("text", "softbreak")
    ]


def _links(markdown: str) -> list[str]:
    parser = MarkdownIt("commonmark").enable("table")
    return [
        str(child.attrGet("href"))
        for token in parser.parse(markdown)
        for child in token.children or []
        if child.type == "link_open"
    ]


MADR_FIELDS = ["status", "date", "decision-makers"]
OUR_LINKS = ("ADR-", "../agents-docs/runs/", "runs/", "../plans/ADR-")
PLAIN = ["paragraph_open", "inline", "paragraph_close"]


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_text_is_one_plain_paragraph(value):
    assert _blocks(f"Said: {text(value)}") == PLAIN
    assert set(_blocks(str(prose(value)))) <= set(PLAIN)


@given(
    st.text(alphabet=string.printable + "é\u2028\u202e", min_size=1, max_size=60)
    | st.text(alphabet="a1_*`~[]()<>!#|\\&;-+=:/ \n", min_size=1, max_size=20)
)
def test_any_text_is_one_plain_paragraph(value):
    assert _blocks(f"Said: {text(value)} end") == PLAIN
    assert set(_blocks(str(prose(value)))) <= set(PLAIN)


@given(
    st.text(alphabet=string.printable + "é\u2028\u202e", min_size=1, max_size=60)
    | st.text(alphabet="a1_*`~[]()<>!#|\\&;-+=:/ \n", min_size=1, max_size=20)
)
def test_any_value_is_one_cell_of_a_table(value):
    for shown in (text(value), code(value)):
        table = f"| a | b |\n|---|---|\n| {shown} | end |\n"
        blocks = _blocks(table)
        assert blocks.count("td_open") == 2
        assert blocks.count("tr_open") == 2


@given(st.text(max_size=80))
def test_a_slug_is_a_file_name_of_lowercase_words(value):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug(value))
    assert len(slug(value)) <= 60


@pytest.mark.parametrize(
    ("value", "shown"),
    [(2000.0, "2000"), (1.87345192, "1.87345"), (-0.5, "-0.5"), (1e-7, "1e-07"), (5e20, "5e+20")],
)
def test_numbers_are_shown_to_six_digits_and_whole_ones_in_full(value, shown):
    assert number(value) == shown


def test_a_quoted_value_cannot_leave_its_line():
    assert quoted('a"\n---\nb') == '"a\\" --- b"'


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_everywhere_leave_every_record_whole(
    story, repository, outcome_of_training, value
):
    outcome = outcome_of_training("r1")
    decision = Decision(
        key=value,
        title=value,
        context=value,
        decision=value,
        positive=(value,),
        negative=(value,),
        alternatives=((value, value),),
        references=(value,),
    )
    hostile = outcome.model_copy(
        update={
            "summary": value,
            "decision": decision,
            "lesson": value,
            "provenance": {**outcome.provenance, "image": value, value: "x"},
            "measurements": tuple(
                each.model_copy(update={"name": value, "unit": value, "source": value})
                for each in outcome.measurements
            ),
            "gates": tuple(
                each.model_copy(update={"name": value, "metric": value}) for each in outcome.gates
            ),
        }
    )
    story.begin("r1", goal=value, preset=value)
    story.fail_step("r1", "train", value, name=value, failure_class=value, fix=value)
    story.finish_step("r1", "prune", Outcome(summary=value))
    story.finish_step("r1", "train", hostile)
    write_records(story.events, repository.root)
    assert outdated(story.events, repository.root) == []
    assert verify_records(story.events, repository.root).ok
    for path, content in repository.files().items():
        written = content.decode()
        parsed = parse(written)
        assert not parsed.faults
        assert all(region.intact for region in parsed.regions)
        assert "<script" not in written
        assert "<img" not in written
        assert not {"fence", "image", "em_open", "s_open"} & set(_blocks(written))
        assert all(link.startswith(OUR_LINKS) for link in _links(written))
        first_level = [line for line in written.splitlines() if line.startswith("# ")]
        assert len(first_level) == 1, path
        statuses = [line for line in written.splitlines() if line.startswith("**Status:**")]
        assert statuses == (["**Status:** Proposed"] if "ADR-" in path else [])
    for document in list_adrs(repository.root):
        madr = madr_text(story.events, repository.root, document.number)
        front, _, body = madr.removeprefix("---\n").partition("\n---\n")
        assert [line.partition(":")[0] for line in front.splitlines()] == MADR_FIELDS
        assert "<script" not in madr
        assert not {"fence", "image", "em_open", "s_open"} & set(_blocks(body))
        assert body.count("\n# ") == 1
    page = report_html(run_named(story.events))
    assert _elements(page) == _elements(report_html(run_named(_tame(story))))


def run_named(events):
    return next(run for run in run_histories(events) if run.run == "r1")


def _tame(story):
    """The same events, each hostile value of them replaced by a word."""
    told = json.dumps([event.model_dump(mode="json") for event in story.events])
    for value in HOSTILE:
        told = told.replace(json.dumps(value)[1:-1], "word")
    return [Event.model_validate(each) for each in json.loads(told)]


def _elements(page):
    """The elements of a page, each with the names of its attributes."""
    found = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag, attrs):
            found.append((tag, [name for name, _ in attrs]))

    Parser().feed(page)
    return found
