"""The pets' archive is downloaded whatever happens on the way, and proved before it is opened."""

import hashlib
import io
import socket
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from training.data import shard
from training.data.archive import ARCHIVE, Archive
from training.data.pets import fetch_cats
from training.data.prepare import prepare
from training.data.sources import is_current
from training.errors import DatasetError, FailureClass


def archive_of(names: list[str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for number, name in enumerate(names):
            picture = io.BytesIO()
            Image.effect_noise((30, 30), 40 + number).save(picture, "JPEG")
            member = tarfile.TarInfo(name)
            member.size = picture.tell()
            picture.seek(0)
            archive.addfile(member, picture)
    return out.getvalue()


CONTENT = archive_of(
    ["images/Bengal_1.jpg", "images/beagle_2.jpg", "images/Persian_3.jpg", "../Evil_4.jpg"]
)


class Server(ThreadingHTTPServer):
    """Serves `content`; a list of limits says after how many bytes each connection breaks."""

    daemon_threads = True

    def __init__(self, content: bytes, limits: list[int], *, ranges: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.limits, self.ranges = content, limits, ranges
        self.asked: list[str | None] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        start = start if self.server.ranges else 0
        limit = self.server.limits.pop(0) if self.server.limits else len(self.server.content)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(self.server.content) - start))
        self.end_headers()
        self.wfile.write(self.server.content[start : start + limit])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        del format, args


@contextmanager
def served(
    limits: list[int], content: bytes = CONTENT, *, ranges: bool = True
) -> Iterator[tuple[Server, Archive]]:
    with Server(content, limits, ranges=ranges) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}/images.tar.gz"
        try:
            yield server, Archive(url, len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
        finally:
            server.shutdown()
            thread.join()


def test_cats_are_the_capitalised_names(tmp_path: Path) -> None:
    with served([]) as (server, archive):
        manifest = prepare("pets", tmp_path, 16, archive=archive)
        assert (manifest.kind, manifest.images) == ("pets", 3)
        assert manifest.classes == ("Bengal", "Evil", "Persian")
        assert shard.load(tmp_path, manifest.digest).classes == manifest.classes
        prepare("pets", tmp_path, 32, archive=archive)
        assert server.asked == [None]
    assert is_current(manifest, "pets")
    assert [path.name for path in (tmp_path / "downloads").iterdir()] == ["oxford-pets"]


def test_nothing_is_unpacked_outside_its_folder(tmp_path: Path) -> None:
    with served([]) as (_, archive):
        folder = fetch_cats(tmp_path / "a" / "b", archive=archive)
    assert sorted(path.name for path in folder.iterdir()) == [
        "Bengal_1.jpg",
        "Evil_4.jpg",
        "Persian_3.jpg",
    ]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_a_broken_download_continues_where_it_stopped(tmp_path: Path) -> None:
    with served([100, 700]) as (server, archive):
        fetch_cats(tmp_path, archive=archive)
        assert server.asked == [None, "bytes=100-", "bytes=800-"]


def test_a_download_continues_in_another_process(tmp_path: Path) -> None:
    with served([500, 0]) as (_, archive), pytest.raises(DatasetError, match="after 500") as caught:
        fetch_cats(tmp_path, archive=archive)
    assert caught.value.failure_class is FailureClass.TRANSIENT
    assert (tmp_path / "images.tar.gz.part").stat().st_size == 500
    with served([]) as (server, archive):
        fetch_cats(tmp_path, archive=archive)
        assert server.asked == ["bytes=500-"]


def test_a_server_that_ignores_ranges_begins_again(tmp_path: Path) -> None:
    with served([500], ranges=False) as (_, archive):
        assert len(list(fetch_cats(tmp_path, archive=archive).iterdir())) == 3


def test_another_archive_is_refused(tmp_path: Path) -> None:
    wrong = bytes([CONTENT[0] ^ 1]) + CONTENT[1:]
    with (
        served([], wrong) as (_, archive),
        pytest.raises(DatasetError, match="not the expected archive"),
    ):
        fetch_cats(tmp_path, archive=archive)
    assert list(tmp_path.iterdir()) == []


def test_an_unreachable_server_is_said_with_what_to_do_instead(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/images.tar.gz"
        with pytest.raises(DatasetError, match="Connection refused") as caught:
            prepare("pets", tmp_path, 16, archive=Archive(url, 5, "0"))
    assert caught.value.code == "dataset_unreachable"
    assert caught.value.failure_class is FailureClass.TRANSIENT
    assert "dataset=synthetic" in caught.value.fix


def test_the_official_archive_is_the_one_that_is_asked_for() -> None:
    assert ARCHIVE.url == "https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz"
    assert ARCHIVE.bytes == 791_918_971
    assert len(ARCHIVE.sha256) == 64
