"""A source of photos becomes one shard; what is no photo is named with its reason."""

import json
import os
import struct
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.data import shard, synthetic
from training.data.prepare import prepare
from training.data.sources import is_current
from training.errors import DatasetError, DiskFull
from training.store.directory import dataset_digests, dataset_name
from training.store.volume import LocalVolume

SHARED = Path(__file__).parents[3] / ".." / "shared" / "data"
RED = (200, 30, 30)


def photo(path: Path, colour: tuple[int, int, int] = RED, size: tuple[int, int] = (40, 30)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "photos"
    place.mkdir()
    return place


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    return tmp_path / "volume"


def only(volume: Path) -> str:
    """The digest of the one dataset of a volume."""
    (digest,) = dataset_digests(LocalVolume(volume))
    return digest


def reasons(manifest: shard.DatasetManifest) -> dict[str, str]:
    return {item.file: item.reason for item in manifest.skipped}


def test_a_folder_per_breed_gives_the_breeds_as_classes(folder: Path, volume: Path) -> None:
    for breed, colour in (("Siamese", (10, 20, 30)), ("Bengal", (200, 100, 0))):
        for number in range(3):
            photo(folder / breed / f"{number}.png", colour)
    manifest = prepare(folder, volume, 16)
    data = shard.load(volume, only(volume))
    assert data.classes == manifest.classes == ("Bengal", "Siamese")
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.images.shape == (6, 16, 16, 3)
    assert data.images[0, 8, 8].tolist() == [200, 100, 0]
    assert (data.kind, data.skipped, data.synthetic) == ("folder", 0, False)
    assert shard.verify(volume, only(volume)) == manifest


def test_the_breed_may_be_in_the_file_name(folder: Path, volume: Path) -> None:
    names = ["Maine_Coon_12.jpg", "Maine_Coon_3.JPG", "Bengal_1.jpeg", "holiday.jpg"]
    for name in names:
        photo(folder / name)
    manifest = prepare(folder, volume, 16)
    assert manifest.classes == ("Bengal", "Maine_Coon")
    assert reasons(manifest) == {"holiday.jpg": "its name says no breed"}


@pytest.mark.parametrize(
    "names",
    [["0001.jpg", "0002.jpg"], ["IMG_1.JPG", "IMG_2.jpg"], ["a.jpg", "b.jpg", "c.jpg", "d_1.jpg"]],
)
def test_photos_without_breeds_are_all_cats(folder: Path, volume: Path, names: list[str]) -> None:
    for name in names:
        photo(folder / name)
    manifest = prepare(folder, volume, 16)
    assert (manifest.classes, manifest.images) == (("cat",), len(names))


def test_a_folder_around_everything_is_no_breed(folder: Path, volume: Path) -> None:
    for name in ("Bengal/a.jpg", "Persian/a.jpg"):
        photo(folder / "images" / name)
    assert prepare(folder, volume, 16).classes == ("Bengal", "Persian")


def test_the_same_name_in_two_breeds_is_two_photos(folder: Path, volume: Path) -> None:
    photo(folder / "Bengal" / "1.png", (1, 1, 1))
    photo(folder / "bengal" / "1.png", (2, 2, 2))
    photo(folder / "loose.png")
    manifest = prepare(folder, volume, 16)
    assert manifest.classes == ("Bengal", "bengal")
    assert reasons(manifest) == {"loose.png": "it lies beside the breeds' folders"}


def truncated(path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (80, 80, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, "JPEG")
    os.truncate(path, path.stat().st_size // 2)


def text(path: Path) -> None:
    path.write_text("this is no photo", encoding="utf-8")


def one_pixel(path: Path) -> None:
    Image.new("RGB", (1, 1)).save(path, "PNG")


def empty(path: Path) -> None:
    path.touch()


def fifo(path: Path) -> None:
    os.mkfifo(path)


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def itself(path: Path) -> None:
    path.symlink_to(path.name)


def bomb(path: Path) -> None:
    """A PNG of a few bytes that says it has 144 million pixels: PIL only warns of it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 12_000, 12_000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def broken_png(path: Path) -> None:
    Image.effect_noise((40, 40), 50).save(path, "PNG")
    content = bytearray(path.read_bytes())
    content[60:90] = bytes(30)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (truncated, "damaged: image file is truncated"),
        (text, "not an image"),
        (one_pixel, "too small: 1 x 1 pixels"),
        (empty, "empty file"),
        (fifo, "not a regular file"),
        (dangling, "cannot be read: No such file"),
        (itself, "cannot be read: Too many levels"),
        (bomb, "decompression bomb"),
        (broken_png, "damaged: "),
    ],
)
def test_a_file_that_is_no_photo_is_skipped_and_named(
    folder: Path, volume: Path, damage: Callable[[Path], None], reason: str
) -> None:
    photo(folder / "good.png")
    damage(folder / "bad.jpg")
    manifest = prepare(folder, volume, 16)
    assert manifest.images == 1
    assert list(reasons(manifest)) == ["bad.jpg"]
    assert reason in reasons(manifest)["bad.jpg"]
    (folder / "good.png").unlink()
    with pytest.raises(DatasetError, match=r"no usable photo .* such as bad\.jpg") as caught:
        prepare(folder, volume, 16)
    assert "synthetic" in caught.value.fix


def test_other_files_are_named_and_hidden_ones_ignored(folder: Path, volume: Path) -> None:
    photo(folder / "a.png")
    (folder / "notes.txt").write_text("x", encoding="utf-8")
    (folder / ".DS_Store").write_text("x", encoding="utf-8")
    (folder / ".git").mkdir()
    photo(folder / ".git" / "b.png")
    assert list(reasons(prepare(folder, volume, 16))) == ["notes.txt"]


def test_a_loop_of_links_ends(folder: Path, volume: Path) -> None:
    photo(folder / "Bengal" / "1.png")
    (folder / "Bengal" / "again").symlink_to(folder)
    photo(folder / "Persian" / "2.png")
    manifest = prepare(folder, volume, 16)
    assert (manifest.images, manifest.classes) == (2, ("Bengal", "Persian"))
    assert reasons(manifest) == {"Bengal/again": "a link back to a folder already read"}


def test_a_linked_folder_is_read(folder: Path, volume: Path, tmp_path: Path) -> None:
    photo(tmp_path / "elsewhere" / "1.png")
    (folder / "Bengal").symlink_to(tmp_path / "elsewhere")
    assert prepare(folder, volume, 16).images == 1


def test_what_may_not_be_read_is_skipped() -> None:
    Image.init()  # its plug-ins are loaded late, which another user may not be allowed to
    with tempfile.TemporaryDirectory() as place, as_nobody(Path(place)):
        folder = Path(place) / "photos"
        photo(folder / "Bengal" / "a.png")
        photo(folder / "Persian" / "b.png").chmod(0)
        photo(folder / "Closed" / "c.png").parent.chmod(0)
        manifest = prepare(folder, Path(place) / "volume", 16)
        (folder / "Closed").chmod(0o755)
    assert manifest.images == 1
    assert reasons(manifest) == {
        "Closed": "cannot be read: Permission denied",
        "Persian/b.png": "cannot be read: Permission denied",
    }


@contextmanager
def as_nobody(place: Path) -> Iterator[None]:
    """Without the rights of root, for whom nothing is unreadable."""
    if os.geteuid() != 0:
        yield
        return
    os.chown(place, 65534, 65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("L", 90, (90, 90, 90)),
        ("1", 1, (255, 255, 255)),
        ("LA", (90, 0), (255, 255, 255)),
        ("RGBA", (200, 30, 30, 255), RED),
        ("RGBA", (0, 0, 0, 0), (255, 255, 255)),
        ("I;16", 90 * 256, (90, 90, 90)),
        ("CMYK", (0, 255, 255, 0), (255, 0, 0)),
        ("P", None, (0, 0, 255)),
        ("YCbCr", None, (0, 0, 254)),
    ],
)
def test_every_kind_of_colour_becomes_rgb(
    folder: Path, volume: Path, mode: str, colour: object, expected: tuple[int, int, int]
) -> None:
    if mode in ("P", "YCbCr"):
        image = Image.new("RGB", (20, 20), (0, 0, 255)).convert(mode)
    else:
        image = Image.new(mode, (20, 20), colour)  # type: ignore[arg-type]
    image.save(folder / "a.tif")
    prepare(folder, volume, 16)
    found = shard.load(volume, only(volume)).images[0, 8, 8].astype(int)
    assert np.abs(found - expected).max() <= 2


def test_a_jpeg_in_four_inks_is_read(folder: Path, volume: Path) -> None:
    Image.new("CMYK", (200, 200), (0, 255, 255, 0)).save(folder / "a.jpg", quality=100)
    prepare(folder, volume, 16)
    red, green, blue = shard.load(volume, only(volume)).images[0, 8, 8].tolist()
    assert red > 240
    assert max(green, blue) < 20


def test_a_palette_with_transparency_lies_on_white(folder: Path, volume: Path) -> None:
    image = Image.new("P", (20, 20), 3)
    image.info["transparency"] = 3
    image.save(folder / "a.gif", transparency=3)
    prepare(folder, volume, 16)
    assert shard.load(volume, only(volume)).images[0, 8, 8].tolist() == [255, 255, 255]


def test_a_photo_is_turned_as_the_camera_was_held(folder: Path, volume: Path) -> None:
    upright = Image.new("RGB", (32, 32), (255, 255, 255))
    upright.paste((0, 0, 0), (0, 0, 32, 16))  # black above white
    sideways = upright.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    sideways.save(folder / "a.jpg", exif=exif, quality=100)
    prepare(folder, volume, 16)
    image = shard.load(volume, only(volume)).images[0]
    assert image[2].mean() < 10
    assert image[13].mean() > 245


def test_the_middle_square_of_a_wide_photo_is_kept(folder: Path, volume: Path) -> None:
    wide = Image.new("RGB", (300, 100), (255, 0, 0))
    wide.paste((0, 255, 0), (100, 0, 200, 100))
    wide.save(folder / "a.png")
    prepare(folder, volume, 16)
    image = shard.load(volume, only(volume)).images[0].astype(int)
    assert np.abs(image[:, 1:-1] - [0, 255, 0]).max() <= 12


def test_a_name_that_is_no_text_is_kept_as_one(folder: Path, volume: Path) -> None:
    photo(folder / os.fsdecode(b"Ben\xffgal_1.png"))
    photo(folder / "Persian_1.png")
    empty(folder / os.fsdecode(b"x\xfe.png"))
    manifest = prepare(folder, volume, 16)
    assert manifest.classes == ("Ben\\xffgal", "Persian")
    assert list(reasons(manifest)) == ["x\\xfe.png"]
    json.loads((volume / dataset_name(only(volume)) / "manifest.json").read_bytes())


@pytest.mark.parametrize("size", [16, 64])
def test_three_photos_are_a_dataset(folder: Path, volume: Path, size: int) -> None:
    for number in range(3):
        photo(folder / f"{number}.png", (number, 0, 0))
    assert prepare(folder, volume, size).images == 3
    data = shard.load(volume, only(volume))
    train, valid = data.split()
    assert (len(train), len(valid)) == (2, 1)


def test_nothing_at_all_is_said(folder: Path, volume: Path) -> None:
    with pytest.raises(DatasetError, match="it is empty"):
        prepare(folder, volume, 16)
    with pytest.raises(DatasetError, match="does not exist"):
        prepare(folder / "no", volume, 16)
    with pytest.raises(DatasetError, match="is a file"):
        prepare(photo(folder / "a.png"), volume, 16)
    with pytest.raises(DatasetError, match="source of the photos is empty"):
        prepare("", volume, 16)
    assert not volume.exists()


def test_the_digest_is_that_of_the_content(folder: Path, volume: Path, tmp_path: Path) -> None:
    photo(folder / "Bengal" / "1.png")
    photo(folder / "Persian" / "2.png", (1, 2, 3))
    first = prepare(folder, volume, 16)
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(folder), str(copy)], check=True)
    second = prepare(copy, volume, 16)
    assert second.digest == first.digest
    assert second.source_fingerprint != first.source_fingerprint
    (copy / "Persian").rename(copy / "Ragdoll")
    assert prepare(copy, volume, 16).digest != first.digest
    assert prepare(folder, volume, 32).digest != first.digest


def test_a_dataset_is_prepared_again_only_when_its_folder_changed(
    folder: Path, volume: Path
) -> None:
    photo(folder / "1.png")
    first = prepare(folder, volume, 16)
    assert is_current(first, folder)
    steps: list[str] = []
    assert prepare(folder, volume, 16, progress=lambda word, *_: steps.append(word)) == first
    assert steps == []
    photo(folder / "2.png", (0, 0, 0))
    assert not is_current(first, folder)
    second = prepare(folder, volume, 16)
    assert second.images == 2
    photo(folder / "2.png", (9, 9, 9))
    os.utime(folder / "2.png", ns=(1, 1))
    assert not is_current(second, folder)
    third = prepare(folder, volume, 16)
    assert third.digest != second.digest
    (folder / "1.png").unlink()
    assert prepare(folder, volume, 16).images == 1
    assert not is_current(third, "synthetic")
    digests = {first.digest, second.digest, third.digest}
    assert digests < set(dataset_digests(LocalVolume(volume)))  # each keeps what it was made from


def test_a_mapped_dataset_survives_its_replacement(folder: Path, volume: Path) -> None:
    photo(folder / "1.png")
    prepare(folder, volume, 16)
    data = shard.load(volume, only(volume))
    photo(folder / "1.png", (0, 0, 0), (50, 50))
    prepare(folder, volume, 16)
    assert data.images[0, 8, 8].tolist() == list(RED)


def test_a_damaged_dataset_is_found(folder: Path, volume: Path) -> None:
    photo(folder / "1.png")
    prepare(folder, volume, 16)
    digest = only(volume)
    file = volume / dataset_name(digest) / "images.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(DatasetError, match=r"images\.npy has sha256"):
        shard.verify(volume, only(volume))
    os.truncate(file, 200)
    with pytest.raises(DatasetError, match="damaged"):
        shard.load(volume, only(volume))
    file.unlink()
    assert prepare(folder, volume, 16).images == 1
    shard.verify(volume, only(volume))
    with pytest.raises(DatasetError, match="dataset nothing is not in"):
        shard.load(volume, "nothing")


@pytest.mark.parametrize("change", ["swapped", "renamed", "claimed"])
def test_classes_that_were_changed_since_are_found(folder: Path, volume: Path, change: str) -> None:
    for breed, colour in (("Red", RED), ("Green", (30, 200, 30))):
        photo(folder / breed / "1.png", colour)
    manifest = prepare(folder, volume, 8)
    path = volume / dataset_name(manifest.digest) / shard.MANIFEST_FILE
    about = json.loads(path.read_bytes())
    about["classes"] = {"swapped": ["Red", "Green"]}.get(change, ["Green", "Rot"])
    if change == "claimed":  # the content is made to fit, and the name of the dataset stays
        dataset = shard.load(volume, manifest.digest)
        classes = ("Green", "Rot")
        about["content"] = shard.content_digest(dataset.images, dataset.labels, classes)
    path.write_text(json.dumps(about), encoding="utf-8")
    with pytest.raises(DatasetError, match="not those of its digest"):
        shard.verify(volume, manifest.digest)


def test_without_room_the_old_dataset_stays(folder: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(small)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small file system can only be mounted by root")
    try:
        photo(folder / "1.png")
        first = prepare(folder, small, 16)
        for number in range(20):
            photo(folder / f"{number}.png", (number, 0, 0))
        with pytest.raises(DiskFull, match="no room to write"):
            prepare(folder, small, 128)
        assert shard.verify(small, only(small)) == first
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_drawn_cats_are_the_default_and_say_so(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthetic, "portraits", _few_portraits(synthetic.portraits))
    manifest = prepare(None, volume, 16)
    assert (manifest.kind, manifest.label) == ("synthetic", "SYNTHETIC")
    data = shard.load(volume, manifest.digest)
    assert data.name == "synthetic-cats-16px"
    assert data.synthetic
    assert data.classes == tuple(sorted(breed.name for breed in synthetic.BREEDS))
    assert is_current(manifest, "synthetic")


def _few_portraits(portraits: Callable[..., object]) -> Callable[..., object]:
    return lambda size: portraits(size, 2)


@pytest.mark.skipif(not SHARED.is_dir(), reason="no shared photos beside the repository")
def test_real_photos_by_breed_are_read(volume: Path) -> None:
    manifest = prepare(SHARED / "oxford_breeds", volume, 32)
    assert (manifest.images, len(manifest.classes)) == (120, 12)
    data = shard.load(volume, manifest.digest)
    pixels = data.images.astype(float)
    across = np.corrcoef(pixels[:, :, 1:].ravel(), pixels[:, :, :-1].ravel())[0, 1]
    assert across > 0.86
    train, valid = data.split()
    assert np.bincount(data.labels[valid]).tolist() == [3] * 12
    assert sorted([*train, *valid]) == list(range(120))
