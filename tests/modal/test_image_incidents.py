"""What happened to a predecessor's images; see test_incidents_of_scripts.py for the others."""

import threading

import pytest
from scripts import EXACT, Script, Scripts
from test_any_training import prove

from training.compute.modal import carrier
from training.errors import ImageError

pytestmark = [pytest.mark.xdist_group("modal"), pytest.mark.slow, pytest.mark.both_clients]


def built(script: Script) -> None:
    """Build and prove an image that nothing is trained in."""
    script.all.compute.prove(script.recipe, None, script.source, print, threading.Event())


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("import librosa_of_cats", "librosa_of_cats"),
        ("import subprocess\nsubprocess.run(['wget-of-cats'], check=True)", "wget-of-cats"),
    ],
)
def test_08_and_18_a_module_or_a_tool_that_is_missing_is_met_before_a_gpu_is_asked_for(
    scripts: Scripts, lines: str, said: str
) -> None:
    script = scripts.make(f"broken {said}", f"{lines}\n{EXACT}")
    with pytest.raises(ImageError, match=said):
        prove(script)
    assert [each for each in scripts.volume.listdir("images") if "source" in each] == []
    assert scripts.new_calls == []


def test_19_a_change_of_a_pin_builds_once(scripts: Scripts) -> None:
    """That a change of source builds nothing is seen in test_any_training.py."""
    before = scripts.plane.do("state")["builds"]
    built(scripts.make("pin", requirements=("jinja2",)))
    changed = scripts.plane.do("state")["builds"] - before
    assert changed >= 1  # one layer, and the environment that lies on it
    built(scripts.make("pin", EXACT + "# other\n", requirements=("jinja2",)))
    assert scripts.plane.do("state")["builds"] - before == changed


def test_a_build_that_fails_says_why_and_the_name_of_a_proven_image_is_asked_for_by_launches(
    scripts: Scripts,
) -> None:
    script = scripts.make("named", settings={"steps": 1}, requirements=("markupsafe",))
    name = carrier.image_name(script.recipe)
    scripts.plane.do("image_fails", why="no space left on the builder")
    with pytest.raises(ImageError, match="no space left on the builder"):
        built(script)
    assert name not in str(scripts.plane.do("state")["images"])
    built(script)
    assert name in str(scripts.plane.do("state")["images"])
    asked = scripts.plane.do("state")["called"].get("ImageGetByTag", 0)
    assert script.run().status == "completed"
    assert scripts.plane.do("state")["called"]["ImageGetByTag"] > asked
