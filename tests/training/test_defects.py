"""What went wrong before this project, and the tests that keep each of it from coming back."""

import ast
from pathlib import Path

import pytest

HERE = Path(__file__).parent

DEFECTS = {
    "noise and image were the same tensor": (
        "test_flow.py::test_noise_and_image_are_different_tensors_with_nothing_in_common",
        "test_trainer.py::test_a_degenerate_objective_is_stopped_at_once_by_name",
    ),
    "velocity predicted through a stream narrower than a patch": (
        "test_flow.py::test_predicting_the_image_through_a_narrow_stream_has_no_loss_floor",
    ),
    "unpatchify by one reshape": (
        "test_model.py::test_unpatchify_undoes_patchify",
        "test_model.py::test_a_token_writes_into_its_own_patch_and_nowhere_else",
    ),
    "no positions, time not stretched, gates not zero, null class not trained": (
        "test_model.py::test_moving_patches_about_is_not_the_same_as_moving_the_prediction_about",
        "test_model.py::test_times_are_stretched_to_the_range_the_sinusoid_is_made_for",
        "test_model.py::test_gates_are_zero_at_the_start_so_every_block_is_the_identity",
        "test_flow.py::test_the_null_class_is_trained_by_dropping_a_tenth_of_the_labels",
    ),
    "the average was the model, its warm-up without effect": (
        "test_ema.py::test_the_average_is_not_the_model_and_is_smoother",
        "test_ema.py::test_the_first_step_leaves_nothing_of_the_initial_weights",
        "test_commands.py::test_export_holds_the_average_alone_with_what_is_needed_to_use_it",
    ),
    "resuming changed rate, step, random numbers and order": (
        "test_trainer.py::test_the_rate_goes_on_where_it_was_after_a_restart",
        "test_trainer.py::test_seventy_and_eighty_steps_are_a_hundred_and_fifty",
        "test_schedule.py::test_the_rate_never_exceeds_its_peak_wherever_a_run_is_resumed",
    ),
    "a retry began at step 0": (
        "test_kill.py::test_kills_corrupt_nothing_lose_at_most_an_interval_and_change_no_weight",
        "test_compute.py::test_after_kill_9_the_lock_is_free_and_the_next_launch_resumes",
    ),
    "torch.save onto the only file": (
        (
            "../runner/test_kills.py::"
            "test_a_training_that_is_killed_again_and_again_ends_as_one_that_was_not"
        ),
        "test_kill.py::test_kills_corrupt_nothing_lose_at_most_an_interval_and_change_no_weight",
    ),
    "SIGTERM left only the inner loop": (
        "test_stopping.py::test_a_signal_ends_the_attempt_at_the_step_it_came_in",
        "test_trainer.py::test_a_signal_ends_the_run_after_one_step_and_one_save",
    ),
    "loss and speed averaged over the wrong window": (
        "test_trainer.py::test_the_logged_loss_is_the_mean_of_the_steps_since_the_last_line",
        "test_trainer.py::test_the_logged_speed_is_steps_by_the_time_between_two_lines",
    ),
    "a dataset smaller than the batch was an endless loop": (
        "test_trainer.py::test_a_dataset_smaller_than_a_batch_is_trained_on",
        "test_randomness.py::test_a_dataset_smaller_than_a_batch_fills_it",
    ),
    "command-line flags were parsed and dropped": (
        "test_config.py::test_command_line_flags_dropped_every_setting_arrives_as_it_was_typed",
        "test_commands.py::test_train_makes_a_training_from_a_preset_and_every_setting_arrives",
    ),
    "loading a checkpoint ran code": (
        "test_checkpoints.py::test_weights_only_false_no_pickle_is_ever_loaded",
    ),
    "retention by ls -t and rm -rf": (
        "test_retention.py::test_retention_by_ls_t_the_order_is_that_of_the_steps_after_a_copy",
        "test_retention.py::test_what_is_no_checkpoint_is_left_alone",
        "test_retention.py::test_a_link_among_checkpoints_is_never_followed",
    ),
    "full-size JPEG decoded every step": (
        (
            "data/test_shard.py::test_decoding_full_size_jpegs_every_step_"
            "the_shard_needs_neither_photos_nor_a_decoder"
        ),
    ),
}


def test_there_are_fifteen_of_them() -> None:
    assert len(DEFECTS) == 15


@pytest.mark.parametrize("defect", DEFECTS)
def test_each_has_its_tests(defect: str) -> None:
    for name in DEFECTS[defect]:
        file, _, test = name.partition("::")
        tree = ast.parse((HERE / file).read_text(encoding="utf-8"))
        assert test in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}
