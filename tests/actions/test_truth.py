"""What sensors say follows the volume and the photos, whatever was done behind our back."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from actions.measured import where_it_ran
from agents.declare.facts import UNKNOWN
from agents.errors import ActionFailed, GoapError
from training.store.commit import verify_commit


def change_a_photo(kit):
    Image.fromarray(np.full((20, 20, 3), 7, dtype=np.uint8)).save(kit.photos / "cat_0.png")


def save_again(kit):
    """The same photos, written again: other dates, other sizes of the files, the same pixels."""
    for path in kit.photos.iterdir():
        with Image.open(path) as photo:
            photo.load()
        photo.save(path, compress_level=0)


def the_checkpoint(kit):
    return kit.volume / kit.directory().read_ending().checkpoint.path


def spoil(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


def test_a_run_makes_every_fact_of_the_goal_true_and_a_second_one_starts_nothing(kit):
    kit.run()
    assert kit.started() == [
        "prepare_data", "train", "commit_volume", "prune_checkpoints", "update_docs",
    ]  # fmt: skip
    kit.run()
    assert kit.started() == []


def test_changed_photos_are_prepared_again_and_trained_under_a_new_key(kit):
    kit.run()
    before = kit.key()
    change_a_photo(kit)
    assert kit.look("dataset_ready", "dit_trained") == {
        "dataset_ready": False,
        "dit_trained": False,
    }
    kit.run()
    assert [key for key, _ in kit.machine.launches] == [before, kit.key()]
    assert kit.key() != before
    assert "prepare_data" in kit.started()


def test_the_same_photos_saved_again_are_the_same_training(kit):
    kit.run()
    before = kit.key()
    save_again(kit)
    assert kit.look("dataset_ready") == {"dataset_ready": False}
    kit.run()
    assert kit.key() == before
    assert len(kit.machine.launches) == 1
    assert kit.look("dit_trained") == {"dit_trained": True}


def test_photos_that_come_and_go_leave_the_first_training_as_it_was(kit):
    kit.run()
    before = kit.key()
    extra = kit.photos / "cat_99.png"
    shutil.copy(kit.photos / "cat_1.png", extra)
    kit.run()
    extra.unlink()
    kit.run()
    assert kit.key() == before
    assert len(kit.machine.launches) == 2


def test_another_setting_is_another_training_and_how_it_runs_is_not(kit):
    kit.run()
    assert kit.key(threads="1", micro_batch="2") == kit.key()
    assert kit.key(learning_rate="1e-3") != kit.key()


def test_a_deleted_checkpoint_makes_the_model_untrained_and_it_is_trained_again(kit):
    kit.run()
    shutil.rmtree(the_checkpoint(kit))
    assert kit.look("dit_trained") == {"dit_trained": False}
    assert "is gone from the volume" in kit.world.readings["dit_trained"].evidence
    kit.run()
    assert len(kit.machine.launches) == 2
    assert verify_commit(kit.directory()).checkpoint


def test_a_checkpoint_damaged_before_it_is_committed_is_never_committed_but_made_again(kit):
    def completes_badly(machine, key):
        kit.ends.completes(machine, key)
        spoil(the_checkpoint(kit) / "model.safetensors")

    kit.machine.ends += [completes_badly]
    kit.run()
    failed = [event.data for event in kit.events if event.type == "step.failed"]
    assert [(each["step"], each["name"]) for each in failed] == [
        ("commit_volume", "checksum_differs")
    ]
    assert len(kit.machine.launches) == 2
    assert verify_commit(kit.directory())


def test_a_commit_is_of_one_checkpoint_and_a_newer_one_is_not_committed(kit):
    kit.run()
    assert kit.look("volume_committed") == {"volume_committed": True}
    kit.machine.leave(kit.key(), "completed", 12, checkpoint=kit.machine.checkpoint(kit.key(), 12))
    assert kit.look("volume_committed") == {"volume_committed": False}
    assert "step 12 is not committed" in kit.world.readings["volume_committed"].evidence


def test_a_checkpoint_made_again_in_the_same_place_is_not_the_committed_one(kit):
    kit.run()
    kit.machine.weight += 1
    kit.machine.leave(kit.key(), "completed", 10, checkpoint=kit.machine.checkpoint(kit.key(), 10))
    assert kit.look("volume_committed") == {"volume_committed": False}


def test_a_shard_of_which_a_file_is_gone_is_prepared_again(kit):
    kit.run()
    next(kit.volume.glob("datasets/*/images.npy")).unlink()
    assert kit.look("dataset_ready") == {"dataset_ready": False}
    assert "images.npy is gone" in kit.world.readings["dataset_ready"].evidence
    kit.run()
    assert kit.started() == []  # the goal wants a model, and that is there
    kit.run(learning_rate="1e-3")
    assert kit.started()[:2] == ["prepare_data", "train"]


@pytest.mark.parametrize(
    ("file", "fact"),
    [("trainings/*/verdict.json", "dit_trained"), ("datasets/*/manifest.json", "dataset_ready")],
)
def test_a_record_that_cannot_be_read_is_named_and_never_taken_for_an_answer(kit, file, fact):
    kit.run()
    path = next(kit.volume.glob(file))
    path.write_text('{"half": ', encoding="utf-8")
    assert kit.look(fact)[fact] in (UNKNOWN, False)
    evidence = kit.world.readings[fact].evidence
    assert path.name in evidence
    assert "\n" not in evidence


def test_photos_that_are_gone_are_named_in_the_plan_and_by_the_run(kit):
    shutil.rmtree(kit.photos)
    kit.look()
    assert f"{kit.photos} does not exist" in kit.world.readings["dataset_ready"].evidence
    with pytest.raises(GoapError, match="does not exist") as caught:
        kit.run()
    assert "dataset=" in caught.value.fix
    assert kit.machine.launches == []


def test_a_training_that_never_began_says_what_its_log_says_last(kit):
    def breaks(machine, key):
        log = kit.volume / "trainings" / key / "training.log"
        log.write_text("Traceback\nerror: no module named torch\n", encoding="utf-8")
        machine.state, machine.step = "interrupted", 0

    kit.machine.ends += [breaks] * 9
    with pytest.raises(ActionFailed, match="no module named torch"):
        kit.run()
    assert len(kit.machine.launches) <= 2


def test_surplus_checkpoints_are_seen_and_only_what_the_policy_names_is_deleted(kit):
    def hoards(machine, key):
        for step in (2, 4, 6, 8):
            machine.checkpoint(key, step)
        kit.ends.completes(machine, key)

    kit.machine.ends += [hoards]
    kit.run(keep_last="2")
    store = kit.directory(keep_last="2").checkpoints_path
    assert sorted(path.name for path in store.glob("step-*")) == ["step-00000008", "step-00000010"]
    noted = [event.data["text"] for event in kit.events if event.type == "step.noted"]
    shown = [text for text in noted if text.startswith("pruning ")]
    assert shown == [f"pruning {kit.key()}: keep steps 8, 10; delete steps 2, 4, 6"]


def test_skipped_photos_are_counted_with_their_reasons(kit):
    (kit.photos / "text.jpg").write_text("no photo", encoding="utf-8")
    Image.new("RGB", (1, 1)).save(kit.photos / "one.png")
    (kit.photos / "link.png").symlink_to(kit.photos / "nowhere")
    kit.run()
    kit.look()
    said = kit.world.readings["dataset_ready"].evidence
    assert said.startswith("6 photos, 16x16, 1 class; skipped 3: ")
    assert "1 not an image" in said


def test_what_was_there_is_said_beside_what_was_asked_for(kit):
    kit.run()
    ending = kit.directory().read_ending()
    given = replace(ending, gpu="H100", device="NVIDIA H200")
    assert where_it_ran(given, kit.machine) == "; on NVIDIA H200, asked for H100"
    assert where_it_ran(replace(given, gpu=""), kit.machine) == ""
