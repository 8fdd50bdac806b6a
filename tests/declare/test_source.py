"""Which files are shipped, under which digest; and that they are staged whole, or not at all."""

import os
import stat

import pytest

from training.declare.hashes import Hashes
from training.declare.source import SourceError, files_of, source_of, stage_source
from training.key import digest_of_files
from training.store.layout import LocalLayout
from training.store.volume import LocalVolume

KEY = "0123456789abcdef"


@pytest.fixture
def write(tmp_path):
    def write(name, text="x"):
        path = tmp_path / "job" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    write("train.py")
    return write


@pytest.fixture
def root(tmp_path, write):
    return tmp_path / "job"


def names(root, entries, apart=()):
    return [path.relative_to(root).as_posix() for path in files_of(root, entries, apart)]


def test_files_folders_and_globs_are_named_each_file_once(root, write):
    for name in ("lib/a.py", "lib/deep/b.py", "data/1.txt", "data/2.txt", "other.py"):
        write(name)
    entries = ["train.py", "lib", "lib/a.py", "data/*.txt", "./lib/"]
    expected = ["data/1.txt", "data/2.txt", "lib/a.py", "lib/deep/b.py", "train.py"]
    assert names(root, entries) == expected
    assert names(root, "lib") == ["lib/a.py", "lib/deep/b.py"]
    assert names(root, "**/*.py") == ["lib/a.py", "lib/deep/b.py", "other.py", "train.py"]


LEFT_OUT = (
    ".git/HEAD",
    ".goap/ledger.db",
    ".env",
    "lib/.hidden.py",
    "lib/__pycache__/a.cpython-311.pyc",
    "lib/a.pyc",
    ".venv/bin/python",
    "env/pyvenv.cfg",
    "env/lib/site.py",
    "run/metrics.jsonl",
    "photos/cat.jpg",
)


@pytest.mark.parametrize("entry", [".", "*", "**/*"])
def test_what_is_no_source_is_left_out_of_folders_and_globs(root, write, entry):
    for name in (*LEFT_OUT, "lib/a.py", "lib/run/b.py"):
        write(name)
    expected = ["lib/a.py", "lib/run/b.py", "train.py"]
    assert names(root, [entry], [root / "photos"]) == expected


def test_what_is_left_out_of_a_folder_can_be_named(root, write):
    write("run/notes.txt")
    assert names(root, ["run/notes.txt"]) == ["run/notes.txt"]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("nothing.py", "there is no 'nothing.py'"),
        ("trian.py", "did you mean 'train.py'?"),
        ("empty", "'empty' holds no file"),
        ("*.csv", "'*.csv' matches no file"),
        ("../beside.py", "lies outside of"),
        ("/etc/hostname", "lies outside of"),
        (".env", "is hidden"),
        (".git", "is hidden"),
        ("", "an entry is empty"),
        ("pipe", "is no regular file"),
        ("broken.py", "'broken.py' is no regular file"),
        ("outside.py", "is a link that leads outside"),
        ("outside", "is a link that leads outside"),
        ("holding", "holding/outside.py is a link that leads outside"),
        ("deep", "deep/there is a link to a folder"),
        ("dead", "dead/broken.py is a link to nothing"),
        ("special", "special/pipe is no regular file"),
    ],
)
def test_what_cannot_be_shipped_is_refused_by_name(root, write, tmp_path, entry, said):
    (tmp_path / "beside.py").write_text("x")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.py").write_text("x")
    write(".env")
    write(".git/HEAD")
    (root / "empty").mkdir()
    os.mkfifo(root / "pipe")
    (root / "broken.py").symlink_to("nowhere.py")
    (root / "outside.py").symlink_to(tmp_path / "beside.py")
    (root / "outside").symlink_to(tmp_path / "elsewhere")
    for folder in ("holding", "deep", "dead", "special"):
        (root / folder).mkdir()
    (root / "holding/outside.py").symlink_to(tmp_path / "beside.py")
    (root / "deep/there").symlink_to(root / "holding")
    (root / "dead/broken.py").symlink_to("nowhere.py")
    os.mkfifo(root / "special/pipe")
    with pytest.raises(SourceError) as caught:
        names(root, [entry])
    assert said in caught.value.message
    assert caught.value.fix


def test_a_link_that_stays_inside_is_shipped_as_the_file_it_leads_to(root, write, tmp_path):
    write("real.py", "real")
    (root / "link.py").symlink_to("real.py")
    source = source_of(root, ["link.py"], Hashes(None))
    source.stage(tmp_path / "staged")
    copy = tmp_path / "staged" / "link.py"
    assert (copy.read_text(), copy.is_symlink()) == ("real", False)


def test_a_root_that_is_reached_by_a_link_is_no_link_outside(root, write, tmp_path):
    (tmp_path / "link").symlink_to(root)
    assert names(tmp_path / "link", ["."]) == ["train.py"]


def test_the_digest_is_that_of_names_and_bytes_and_nothing_else(root, write):
    write("lib/a.py", "one")
    entries = ["train.py", "lib"]
    before = source_of(root, entries, Hashes(None)).digest
    assert before == digest_of_files(root, files_of(root, entries))
    os.utime(root / "lib/a.py", (1, 1))
    write("lib/.swp")
    assert source_of(root, entries, Hashes(None)).digest == before
    write("lib/a.py", "two")
    changed = source_of(root, entries, Hashes(None)).digest
    write("lib/a.py", "one")
    (root / "lib/a.py").rename(root / "lib/b.py")
    renamed = source_of(root, entries, Hashes(None)).digest
    assert len({before, changed, renamed}) == 3


def test_a_copy_is_of_the_digest_and_may_be_run_as_the_original(root, write, tmp_path):
    write("train.sh", "#!/bin/sh\necho hi\n").chmod(0o755)
    source = source_of(root, ["."], Hashes(None))
    source.stage(tmp_path / "staged")
    copy = tmp_path / "staged"
    assert digest_of_files(copy, copy.rglob("*.*")) == source.digest
    assert (copy / "train.sh").stat().st_mode & stat.S_IXUSR
    assert source.names == ("train.py", "train.sh")


@pytest.mark.parametrize("change", ["edit", "remove"])
def test_a_file_that_is_changed_between_digest_and_copy_is_noticed(root, write, tmp_path, change):
    source = source_of(root, ["train.py"], Hashes(None))
    if change == "edit":
        write("train.py", "something else")
    else:
        (root / "train.py").unlink()
    with pytest.raises(SourceError, match="was changed while it was copied"):
        source.stage(tmp_path / "staged")


class Elsewhere(LocalVolume):
    """A volume that is not on this machine, as far as anybody can see."""

    local_root = None


@pytest.mark.parametrize("kind", [LocalVolume, Elsewhere])
def test_a_source_is_staged_once_and_stays_what_it_was(root, write, tmp_path, kind):
    layout = LocalLayout(tmp_path / "volume", KEY)
    volume = kind(layout.root)
    stage_source(source_of(root, ["train.py"], Hashes(None)), volume, KEY)
    staged = layout.source_path / "train.py"
    assert staged.read_text() == "x"
    write("train.py", "edited")
    stage_source(source_of(root, ["train.py"], Hashes(None)), volume, KEY)
    assert staged.read_text() == "x"
    assert [each.name for each in layout.path.iterdir() if each.name.startswith(".")] == []


@pytest.mark.parametrize("kind", [LocalVolume, Elsewhere])
def test_what_a_kill_left_half_staged_is_done_again(root, write, tmp_path, kind):
    layout = LocalLayout(tmp_path / "volume", KEY)
    layout.source_path.mkdir(parents=True)
    (layout.source_path / "train.py").write_text("hal")
    stage_source(source_of(root, ["train.py"], Hashes(None)), kind(layout.root), KEY)
    assert (layout.source_path / "train.py").read_text() == "x"


def test_a_source_that_changes_while_it_is_staged_leaves_nothing(root, write, tmp_path):
    layout = LocalLayout(tmp_path / "volume", KEY)
    source = source_of(root, ["train.py"], Hashes(None))
    write("train.py", "edited")
    with pytest.raises(SourceError):
        stage_source(source, LocalVolume(layout.root), KEY)
    assert list(layout.path.iterdir()) == []
