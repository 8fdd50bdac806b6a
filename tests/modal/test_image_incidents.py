"""What happened to a predecessor's images; see test_incidents.py.

All are slow, with our own models; those of scripts are in test_incidents_of_scripts.py.
"""

from pathlib import Path

import pytest
from conftest import Client
from programs import build, copy_of_the_source

from training.compute.modal import carrier
from training.own import own_recipe

pytestmark = pytest.mark.xdist_group("modal")


def is_met_before_a_gpu_is_asked_for(
    client: Client, tmp_path: Path, name: str, lines: str, said: str
) -> None:
    """An image without something fails its smoke training; no call is made that trains."""
    where = copy_of_the_source(tmp_path)
    (where / "training" / "judge" / "needs_more.py").write_text(f"{lines}\n", encoding="utf-8")
    before = len(client.calls())
    out, err = build(client, where, f"broken-{name}")
    assert "ImageError: the smoke training failed" in err, err
    assert said in err
    assert "came to step" not in out
    assert client.volume.__class__(f"broken-{name}").listdir("images") == []
    assert len(client.calls()) == before


@pytest.mark.slow
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


@pytest.mark.slow
def test_23_an_api_that_moved(client: Client, tmp_path: Path) -> None:
    lines = "import torch\ntorch.api_of_yesterday"
    is_met_before_a_gpu_is_asked_for(client, tmp_path, "23", lines, "api_of_yesterday")


@pytest.mark.slow
def test_19_a_change_of_source_builds_nothing_and_a_change_of_a_pin_builds_once(
    client: Client, tmp_path: Path
) -> None:
    where = copy_of_the_source(tmp_path)
    assert "came to step 2" in build(client, where)[0]
    builds = client.plane.do("state")["builds"]
    touched = where / "training" / "judge" / "quality.py"
    touched.write_text(touched.read_text(encoding="utf-8") + "# touched\n", encoding="utf-8")
    assert "came to step 2" in build(client, where)[0]
    assert client.plane.do("state")["builds"] == builds
    image = where / "training" / "compute" / "image.py"
    text = image.read_text(encoding="utf-8")
    more = text.replace('"pydantic")', '"pydantic", "jinja2")')
    assert more != text
    image.write_text(more, encoding="utf-8")
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
    assert "came to step 2" in out, err
    assert carrier.image_name(own_recipe()) in str(client.plane.do("state")["images"])
    asked = client.plane.do("state")["called"].get("ImageGetByTag", 0)
    client.launch(client.config(190, steps=1))
    assert client.plane.do("state")["called"]["ImageGetByTag"] > asked


@pytest.mark.slow
def test_a_build_that_fails_says_why_and_is_tried_again_by_the_next(
    client: Client, tmp_path: Path
) -> None:
    where = copy_of_the_source(tmp_path)
    image = where / "training" / "compute" / "image.py"
    text = image.read_text(encoding="utf-8")
    image.write_text(text.replace('"pydantic")', '"pydantic", "markupsafe")'), encoding="utf-8")
    client.plane.do("image_fails", why="no space left on the builder")
    assert "no space left on the builder" in build(client, where)[1]
    assert "came to step 2" in build(client, where)[0]
