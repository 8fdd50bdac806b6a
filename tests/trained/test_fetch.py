"""``goap fetch`` and ``goap trainings``: a model is brought here; all are listed."""

import json

from training.store.durable import IF_FREE, directory_lock

KEPT = ("keep=Keep(last=2)", 'keep=Keep(last=2, best="loss", best_of="highest")')


def test_a_finished_model_is_fetched_verified_and_in_place_at_once(desk):
    desk.change("job.py", *KEPT)
    desk.run("steps=15")
    key, ending = desk.training().name, desk.verdict()
    got = desk.goap("fetch", key[:8], "to=out/model", "--json")
    assert got.code == 0, got.err
    assert (got.data["step"], got.data["training"]) == (15, key)
    assert got.data["bytes"] == got.data["got_bytes"]
    there = desk.folder / "out" / "model"
    assert [path.name for path in there.parent.iterdir()] == ["model"]
    assert json.loads((there / "checkpoint" / "state.json").read_text("utf-8"))
    assert json.loads((there / "verdict.json").read_text("utf-8")) == ending
    assert json.loads((there / "result.json").read_text("utf-8"))
    again = desk.goap("fetch", "last", "to=out/model", "--json")
    assert (again.code, again.data["got_bytes"]) == (0, 0)
    best = desk.goap("fetch", "last", "to=out/best", "checkpoint=best", "--json")
    assert best.data["step"] == 5
    assert "of which" not in desk.goap("fetch", "last", "to=out/other").out

    # another process that is at it is not disturbed, and what it got before is not got again
    place = desk.folder / "out" / f".more.{key}-{ending['checkpoint']['sha256'][:12]}.part"
    (place / "checkpoint").mkdir(parents=True)
    state = (there / "checkpoint" / "state.json").read_bytes()
    (place / "checkpoint" / "state.json.part").write_bytes(state[:4])
    with directory_lock(place, IF_FREE):
        assert "another process" in desk.goap("fetch", "last", "to=out/more").err
    more = desk.goap("fetch", "last", "to=out/more", "--json").data
    assert more["bytes"] - more["got_bytes"] == 4
    (place / "checkpoint").mkdir(parents=True)
    (place / "checkpoint" / "state.json.part").write_bytes(b"")
    (place / "checkpoint" / "state.json").write_bytes(b"of something else")
    (there / "checkpoint" / "state.json").write_bytes(b"{}")
    assert "is not empty" in desk.goap("fetch", "last", "to=out/model").err
    (desk.training() / ending["checkpoint"]["path"].split("/", 2)[2] / "state.json").write_bytes(
        b"?"
    )
    damaged = desk.goap("fetch", "last", "to=out/damaged", "--json")
    assert (damaged.code, "its manifest says" in damaged.error["message"]) == (1, True)
    assert not (desk.folder / "out" / "damaged").exists()


def test_what_is_not_finished_is_not_fetched_and_is_listed_as_what_it_is(desk):
    assert "begins one" in desk.goap("trainings").err
    desk.change("trouble.py", "return loss", "return loss if step < 7 else 1 / 0")
    desk.run("steps=10", code=1)
    key = desk.training().name
    refused = desk.goap("fetch", key, "to=model", "--json")
    assert (refused.code, "is not finished" in refused.error["message"]) == (1, True)
    assert f"logs {key} -f" in refused.error["fix"]
    (row,) = desk.goap("trainings", "--json").data["trainings"]
    assert (row["training"], row["name"], row["state"], row["step"]) == (
        key,
        "counter",
        "failed",
        6,
    )
    desk.write("trouble.py", "def trouble(step, loss, lr):\n    return loss\n")
    desk.run("steps=15")
    broken = desk.volume / "trainings" / ("0" * 16)
    broken.mkdir()
    (broken / "spec.json").write_text("{}", encoding="utf-8")
    shown = desk.goap("trainings")
    assert shown.code == 0
    newest, older, last = shown.out.splitlines()
    assert "counter  completed  step 15/15" in newest
    assert f"{key}  counter  failed  step 6/10" in older
    assert last.startswith(f"{'0' * 16}  damaged")
    best = desk.goap("fetch", newest.split()[0], "to=model", "checkpoint=best", "--json")
    assert "does not say by what" in best.error["message"]
    assert desk.goap("fetch", "--json").code == 2
