"""Files are sent in groups that hold little, and what says that all is whole comes last."""

from pathlib import Path

from training.compute.modal.groups import groups_of

MIB = 1 << 20


def test_groups_hold_16_mib_at_most_a_large_file_is_alone_and_a_manifest_comes_last(
    tmp_path: Path,
) -> None:
    sizes = {"a/manifest.json": 1, "a/one": 10 * MIB, "a/two": 7 * MIB, "b/large": 65 * MIB}
    sizes |= {"c/three": 9 * MIB, "c/none": 0}
    for name, size in sizes.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as file:
            file.truncate(size)
    groups = [
        [path.relative_to(tmp_path).as_posix() for path in each] for each in groups_of(tmp_path)
    ]
    assert sorted(name for group in groups for name in group) == sorted(sizes)
    assert ["b/large"] in groups
    assert groups[-1] == ["a/manifest.json"]
    small = [group for group in groups if group != ["b/large"]]
    assert max(sum(sizes[name] for name in group) for group in small) <= 16 * MIB
    assert list(groups_of(tmp_path / "a" / "one")) == [[tmp_path / "a" / "one"]]


def test_no_group_has_more_than_500_files(tmp_path: Path) -> None:
    for number in range(501):
        (tmp_path / str(number)).touch()
    assert [len(group) for group in groups_of(tmp_path)] == [500, 1]
