"""What happened to a predecessor's images; see test_incidents.py."""

from pathlib import Path

import pytest
from conftest import Client
from programs import build, copy_of_the_source

pytestmark = pytest.mark.xdist_group("modal")


def is_met_before_a_gpu_is_asked_for(
    client: Client, tmp_path: Path, name: str, lines: str, said: str
) -> None:
    """An image without something fails its smoke function; it gets no name, and no call is made."""
    where = copy_of_the_source(tmp_path)
    (where / "training" / "needs_more.py").write_text(f"{lines}\n", encoding="utf-8")
    # a recipe of its own, so that no image of another test has its name
    app = where / "training" / "compute" / "modal" / "app.py"
    text = app.read_text(encoding="utf-8")
    recipe = '_RECIPE: Final = "debian_slim/uv_pip_install/1"'
    assert recipe in text
    app.write_text(text.replace(recipe, f'_RECIPE: Final = "{name}"'), encoding="utf-8")
    before, state = len(client.calls()), client.plane.do("state")
    out, err = build(client, where, f"broken-{name}")
    assert "ImageError: the training image does not work" in err, err
    assert said in err
    assert "modules imported" not in out
    assert not client.volume.__class__(f"broken-{name}").exists("images")
    assert client.plane.do("state")["images"] == state["images"]
    assert len(client.calls()) == before


def test_07_a_module_that_is_not_shipped(client: Client, tmp_path: Path) -> None:
    is_met_before_a_gpu_is_asked_for(client, tmp_path, "07", "import hypothesis", "hypothesis")


@pytest.mark.slow
def test_08_an_optional_module_is_never_replaced_by_a_stub(client: Client, tmp_path: Path) -> None:
    lines = "import librosa_of_cats"
    is_met_before_a_gpu_is_asked_for(client, tmp_path, "08", lines, "librosa_of_cats")


@pytest.mark.slow
def test_18_a_tool_that_is_missing(client: Client, tmp_path: Path) -> None:
    lines = "import subprocess\nsubprocess.run(['wget-of-cats'], check=True)"
    is_met_before_a_gpu_is_asked_for(client, tmp_path, "18", lines, "wget-of-cats")


def test_23_an_api_that_moved(client: Client, tmp_path: Path) -> None:
    lines = "import torch\ntorch.api_of_yesterday"
    is_met_before_a_gpu_is_asked_for(client, tmp_path, "23", lines, "api_of_yesterday")


@pytest.mark.slow
def test_19_a_change_of_source_builds_nothing_and_a_change_of_a_pin_builds_once(
    client: Client, tmp_path: Path
) -> None:
    where = copy_of_the_source(tmp_path)
    assert "modules imported" in build(client, where)[0]
    builds = client.plane.do("state")["builds"]
    touched = where / "training" / "judge" / "quality.py"
    touched.write_text(touched.read_text(encoding="utf-8") + "# touched\n", encoding="utf-8")
    assert "modules imported" in build(client, where)[0]
    assert client.plane.do("state")["builds"] == builds
    app = where / "training" / "compute" / "modal" / "app.py"
    text = app.read_text(encoding="utf-8")
    app.write_text(text.replace('    "mpmath",\n', ""), encoding="utf-8")
    build(client, where)
    changed = client.plane.do("state")["builds"] - builds
    assert changed >= 1  # one layer, and the environment that lies on it
    build(client, where)
    assert client.plane.do("state")["builds"] - builds == changed


@pytest.mark.slow
def test_a_proven_image_has_the_name_of_its_fingerprint_and_launches_ask_for_it(
    client: Client, tmp_path: Path
) -> None:
    out, err = build(client, copy_of_the_source(tmp_path))
    assert "modules imported" in out, err
    fingerprint = client.compute.image_fingerprint()
    assert f"goap-training:{fingerprint[:16]}" in str(client.plane.do("state")["images"])
    asked = client.plane.do("state")["called"].get("ImageGetByTag", 0)
    client.launch(client.config(190, steps=1))
    assert client.plane.do("state")["called"]["ImageGetByTag"] > asked


@pytest.mark.slow
def test_a_build_that_fails_says_why_and_is_tried_again_by_the_next(
    client: Client, tmp_path: Path
) -> None:
    where = copy_of_the_source(tmp_path)
    app = where / "training" / "compute" / "modal" / "app.py"
    text = app.read_text(encoding="utf-8")
    app.write_text(text.replace('"PYTHONUNBUFFERED": "1"', '"CATS": "1"'), encoding="utf-8")
    client.plane.do("image_fails", why="no space left on the builder")
    assert "no space left on the builder" in build(client, where)[1]
    assert "modules imported" in build(client, where)[0]
