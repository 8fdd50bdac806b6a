"""``dataset=`` pointing at all sorts of things: a clear error, or a count of what was skipped."""

import pytest
from PIL import Image


@pytest.fixture
def mixed(desk, photos):
    """Three good photos, fewer than a batch, among files that are none."""
    folder = desk.root / "mixed"
    folder.mkdir()
    for path in sorted(photos.iterdir())[:3]:
        (folder / path.name).write_bytes(path.read_bytes())
    Image.effect_noise((64, 64), 50).convert("RGB").save(folder / "half.jpg", quality=95)
    whole = (folder / "half.jpg").read_bytes()
    (folder / "half.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "text.jpg").write_text("this is text", encoding="utf-8")
    Image.new("RGB", (1, 1)).save(folder / "dot.png")
    return folder


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        ("", "name a folder, or leave dataset= out"),
        ("nowhere", "does not exist"),
        ("file.txt", "is a file, not a folder"),
    ],
)
def test_photos_that_are_not_there_are_a_usage_error_before_anything_is_done(
    desk, command, dataset, said
):
    (desk.root / "file.txt").write_text("no photos", encoding="utf-8")
    ended = desk.run(command, *desk.asked(), f"dataset={dataset}", "preset=smoke")
    assert ended.code == 2
    assert said in ended.err
    assert ended.err.count("error:") == 1
    assert "  fix: " in ended.err
    assert not (desk.state / "ledger.db").exists()


def test_a_folder_without_photos_is_an_error_that_says_what_to_give_instead(desk):
    (desk.root / "empty").mkdir()
    ended = desk.run("run", *desk.asked(), "dataset=empty", "preset=smoke")
    assert ended.code == 1
    assert ended.err.count("error:") == 1
    assert "it is empty" in ended.err
    assert "dataset=" in ended.err.rsplit("fix:", 1)[1]
    assert desk.launches() == []


def test_damaged_files_are_skipped_and_counted_and_three_photos_are_enough_for_a_batch(desk, mixed):
    steps = ("preset=smoke", "steps=20", "threads=1")
    ended = desk.run("run", *desk.asked(), f"dataset={mixed}", *steps)
    assert ended.code in (0, 1), ended.err  # what three photos are good for, the gates decide
    said = next(line for line in ended.err.splitlines() if "✓ prepare_data" in line)
    assert "3 photos, 16x16, 1 class; skipped 3: " in said
    assert "1 damaged: image file is truncated" in said
    assert "1 not an image" in said
    assert "1 too small: 1 x 1 pixels" in said
    assert desk.launches() == ["launched"]
