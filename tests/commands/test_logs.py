"""``goap logs``: what a training wrote, once each, and what it writes until it ends."""

import json
import signal

import pytest

from actions.commands.logs import LogFile
from training.store.directory import TrainingDirectory
from training.store.volume import LocalVolume

KEY, OTHER = "a1" * 8, "b2" * 8


class Counted(LocalVolume):
    """A volume that keeps which bytes were asked for."""

    def __init__(self, root):
        super().__init__(root)
        self.ranges = []

    def read_range(self, path, start, length=None):
        self.ranges.append((start, length))
        return super().read_range(path, start, length)


@pytest.fixture
def counted(desk):
    return Counted(desk.state / "volume")


def read(log):
    return "".join(log.new())


def test_the_whole_log_of_the_newest_run_is_printed_oldest_line_first(desk):
    desk.log("old\n", OTHER)
    desk.log("first\nsecond\n")
    desk.run("20260101-aaaa", OTHER)
    desk.run("20260102-bbbb", KEY)
    printed = desk.goap("logs")
    assert printed.out == "first\nsecond\n"
    assert printed.err.startswith(f"training {KEY} on ")
    assert desk.goap("logs", "last~1").out == desk.goap("logs", "20260101").out == "old\n"


@pytest.mark.parametrize("name", [KEY, KEY[:6]])
def test_a_training_is_named_by_its_key_or_by_the_beginning_of_it(desk, name):
    desk.log("only here\n")
    assert desk.goap("logs", name).out == "only here\n"


def test_the_volume_is_that_of_the_run_unless_another_is_said(desk, tmp_path):
    desk.log("far away\n", volume=str(tmp_path / "far"))
    desk.log("near\n", volume=str(tmp_path / "near"))
    desk.run("20260101-aaaa", KEY, volume=str(tmp_path / "far"))
    assert desk.goap("logs", "last").out == "far away\n"
    assert desk.goap("logs", KEY).out == "far away\n"
    assert desk.goap("logs", KEY, "volume=near").out == "near\n"


def test_of_several_trainings_of_a_run_the_newest_is_shown_and_the_others_are_named(desk):
    desk.log("pretrained\n", OTHER)
    desk.log("finetuned\n")
    desk.run("20260101-aaaa", OTHER, KEY)
    printed = desk.goap("logs")
    assert printed.out == "finetuned\n"
    assert f"the run has others: {OTHER}" in printed.err


def test_as_json_it_is_one_document_of_lines(desk):
    desk.log("first\nsecond\n")
    document = json.loads(desk.goap("logs", KEY, "--json", "--lines", "1").out)
    assert document["data"] == {
        "training": KEY,
        "volume": str(desk.state / "volume"),
        "log": f"trainings/{KEY}/training.log",
        "lines": ["second"],
    }


@pytest.mark.parametrize("text", ["", "a\n", "a", "a\nb\nc\n", "a\nb\nc", "\n\n\n", "ä\nß\n"])
@pytest.mark.parametrize("lines", [0, 1, 2, 5])
def test_the_last_lines_are_those_that_a_reader_would_count(desk, counted, text, lines):
    desk.log(text)
    log = LogFile(TrainingDirectory(counted, KEY), lines)
    expected = text.splitlines(keepends=True)[-lines:] if lines else []
    assert (read(log) + log.rest()).rstrip("\n") == "".join(expected).rstrip("\n")


def test_the_last_lines_of_a_long_log_are_found_without_reading_it(desk, counted):
    desk.log("x" * 99 + "\n")
    path = desk.directory().log_path
    path.write_bytes(path.read_bytes() * 200_000)
    log = LogFile(TrainingDirectory(counted, KEY), 3)
    assert read(log).count("\n") == 3
    assert sum(length or 0 for _, length in counted.ranges) < 1_000_000


def test_what_was_read_is_never_read_again(desk, counted):
    log = LogFile(TrainingDirectory(counted, KEY))
    desk.log("one\n")
    assert read(log) == "one\n"
    assert read(log) == ""
    desk.log("two\nthr")
    assert read(log) == "two\n"
    desk.log("ee\n")
    assert read(log) == "three\n"
    assert counted.ranges == [(0, 4), (4, 7), (11, 3)]


def test_a_character_and_a_progress_bar_may_be_cut_anywhere(desk, counted):
    log, seen = LogFile(TrainingDirectory(counted, KEY)), ""
    for byte in "ä 10%\r20%\rdone\nß".encode():
        with desk.directory().log_path.open("ab") as file:
            file.write(bytes([byte]))
        seen += read(log)
    assert seen == "ä 10%\r20%\rdone\n"
    assert log.rest() == "ß\n"


def test_a_log_that_was_begun_anew_is_read_from_its_beginning(desk, counted):
    log = LogFile(TrainingDirectory(counted, KEY))
    desk.log("a long first attempt\n")
    read(log)
    desk.directory().log_path.write_text("anew\n", encoding="utf-8")
    assert read(log) == "anew\n"


def test_followed_it_shows_what_is_there_and_what_comes_until_the_training_ends(desk):
    training = desk.trains()
    desk.run("20260101-aaaa", KEY, ended=False)
    follower = desk.begins("logs", "-f")
    assert follower.stdout.readline() == "step 1\n"
    training.stdin.write("step 2\n")
    training.stdin.flush()
    assert follower.stdout.readline() == "step 2\n"
    training.stdin.write("the end\n")
    training.stdin.close()
    assert follower.stdout.read() == "the end\n"
    assert follower.wait() == 0
    assert f"training {KEY}: " in follower.stderr.read()


def test_ctrl_c_leaves_and_the_training_goes_on(desk):
    training = desk.trains()
    follower = desk.begins("logs", KEY, "-f")
    assert follower.stdout.readline() == "step 1\n"
    follower.send_signal(signal.SIGINT)
    assert follower.wait() == 130
    said = follower.stderr.read()
    assert "goes on by itself" in said
    assert f"logs {KEY} -f" in said
    assert "Traceback" not in said
    assert training.poll() is None


def test_a_finished_training_is_not_waited_for(desk):
    desk.log("done\n")
    assert desk.goap("logs", KEY, "-f").out == "done\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["logs"], "there are no runs yet"),
        (["logs", "c3" * 8], f"there is no training {'c3' * 8} on "),
        (["logs", "c3c3"], "no run and no training is called 'c3c3'"),
        (["logs", KEY, "--lines", "-1"], "--lines -1: input should be greater than or equal to 0"),
        (["logs", KEY, "compute=cloud"], "compute=cloud: input should be 'local', 'modal'"),
    ],
)
def test_what_cannot_be_shown_ends_with_exit_code_2_and_why(desk, words, said):
    desk.log("x\n")
    assert said in desk.goap(*words, code=2).err


def test_what_is_followed_is_no_document(desk):
    desk.log("x\n")
    error = json.loads(desk.goap("logs", KEY, "-f", "--json", code=2).out)["error"]
    assert error["fix"] == "leave out -f"


def test_a_run_that_launched_nothing_is_named_with_how_to_read_it(desk):
    desk.run("20260101-aaaa")
    printed = desk.goap("logs", code=2)
    assert "run 20260101-aaaa launched no training, or not yet" in printed.err
    assert "show 20260101-aaaa" in printed.err


def test_two_trainings_that_begin_alike_are_both_named(desk):
    desk.log("x\n", "abcd" + "0" * 12)
    desk.log("x\n", "abcd" + "1" * 12)
    printed = desk.goap("logs", "abcd", code=2)
    assert f"could be abcd{'0' * 12}, abcd{'1' * 12}" in printed.err


def test_modal_without_a_token_ends_at_once_with_exit_code_8(desk, monkeypatch):
    for name in ("MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MODAL_CONFIG_PATH", str(desk.folder / "none.toml"))
    assert "modal token" in desk.goap("logs", KEY, "compute=modal", code=8).err
