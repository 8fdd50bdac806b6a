"""What was once wrong with money on foreign control planes, and the tests that make it happen."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

TABLE: dict[str, tuple[tuple[str, str], ...]] = {
    "a deadline that was stored with the training sliced it for ever": (
        (
            "actions/test_incidents.py",
            "test_a_cap_travels_with_its_call_and_the_next_call_has_that_of_its_own_command",
        ),
    ),
    "958 dollars were booked for 100 seconds": (
        (
            "actions/test_metered.py",
            "test_whatever_happens_what_is_booked_is_what_was_used_and_no_cap_is_passed",
        ),
        (
            "actions/test_metered.py",
            "test_what_went_on_alone_is_booked_by_whoever_left_it_and_by_nobody_else",
        ),
        (
            "actions/test_incidents.py",
            "test_what_was_spent_on_a_training_counts_however_the_next_run_goes_about_it",
        ),
    ),
    "waiting for a GPU was booked, and a Ctrl-C as an end": (
        ("actions/test_metered.py", "test_a_training_that_waits_for_its_turn_costs_nothing"),
        (
            "actions/test_metered.py",
            "test_what_cannot_be_seen_at_the_end_of_a_step_is_booked_by_the_next_look",
        ),
        (
            "modal/test_states.py",
            "test_a_call_that_waits_longer_than_it_may_is_cancelled_and_costs_nothing",
        ),
    ),
    "a cap was spent twice, and its advice did not suffice": (
        (
            "actions/test_metered.py",
            "test_whatever_happens_what_is_booked_is_what_was_used_and_no_cap_is_passed",
        ),
        ("actions/test_metered.py", "test_the_advice_of_a_refusal_suffices"),
    ),
    "each preemption had the whole deadline again": (
        (
            "modal/test_any_training.py",
            "test_a_preempted_container_leaves_the_next_one_what_is_left_of_the_deadline",
        ),
    ),
    "the cap of a follower ended the call of another": (
        ("actions/test_metered.py", "test_a_follower_over_its_cap_leaves_and_ends_nothing"),
        (
            "actions/test_waiting.py",
            "test_who_follows_leaves_when_his_own_queue_timeout_is_over_and_ends_nothing",
        ),
    ),
    "containers died for ever and nobody saw it": (
        (
            "modal/test_states.py",
            "test_a_container_that_dies_for_ever_ends_its_call_with_nobody_there_to_see_it",
        ),
        (
            "modal/test_states.py",
            "test_a_container_that_dies_is_seen_as_crashing_before_it_is_given_up",
        ),
        (
            "modal/test_states.py",
            "test_a_container_that_dies_before_it_can_say_anything_is_stopped_by_the_next_look",
        ),
        ("actions/test_waiting.py", "test_what_is_waited_for_is_in_fields_of_status_and_show"),
    ),
    "limits of money and of requests were called a full disk": (
        ("modal/test_refusals.py", "test_each_refusal_has_its_name_its_exit_code_and_its_fix"),
        ("modal/test_refusals.py", "test_each_wait_is_longer_and_no_two_are_in_step"),
    ),
    "an old client, a permission and an environment had other names": (
        ("modal/test_refusals.py", "test_each_refusal_has_its_name_its_exit_code_and_its_fix"),
        ("modal/test_refusals.py", "test_an_environment_that_is_not_there_is_no_empty_volume"),
    ),
    "an unknown price ran without approval": (
        (
            "agents/test_money.py",
            "test_an_unknown_price_waits_for_consent_like_a_known_one_and_a_plan_says_so_before",
        ),
        (
            "agents/test_money.py",
            "test_without_a_rate_the_price_is_unknown_and_a_cap_cannot_be_kept",
        ),
    ),
    "GPUs had no price, were refused, or there were none of them": (
        (
            "modal/test_money.py",
            "test_each_gpu_has_its_rate_under_the_name_that_the_platform_lists",
        ),
        (
            "modal/test_money.py",
            "test_of_a_list_of_preference_the_first_is_expected_and_the_others_are_the_bounds",
        ),
        ("training/test_gpu.py", "test_an_unknown_gpu_or_too_many_of_one_is_refused"),
        ("actions/test_truth.py", "test_what_was_there_is_said_beside_what_was_asked_for"),
        (
            "trained/test_prices.py",
            "test_the_price_before_a_launch_counts_every_machine_and_is_that_of_its_gpus",
        ),
    ),
    "a refused spawn left a claim, and money set aside": (
        (
            "modal/test_refusals.py",
            "test_a_refused_launch_takes_its_claim_back_and_the_next_run_launches_at_once",
        ),
        (
            "modal/test_budget.py",
            "test_what_was_set_aside_for_a_call_that_was_refused_is_free_at_once",
        ),
    ),
    "status on a finished training knew nothing and said so with exit code 0": (
        ("modal/test_requests.py", "test_what_holds_is_seen_with_no_more_than_15_requests"),
        (
            "agents/test_money.py",
            "test_what_is_done_already_costs_nothing_though_that_is_seen_only_on_the_way",
        ),
    ),
    "nothing was limited for a day or a month": (
        (
            "training/test_budget.py",
            "test_in_whatever_order_launchers_are_answered_never_more_is_spent_than_the_budget",
        ),
        (
            "modal/test_budget.py",
            "test_a_run_warns_at_eighty_percent_and_ends_with_exit_code_5_when_the_budget_is_used_up",
        ),
    ),
}
"""What was seen, and for each the file and the name of its tests."""


@pytest.mark.parametrize("seen", TABLE)
def test_what_was_once_wrong_has_tests_that_make_it_happen_again(seen: str) -> None:
    for path, name in TABLE[seen]:
        body = ast.parse((TESTS / path).read_text(encoding="utf-8")).body
        assert name in {each.name for each in body if isinstance(each, ast.FunctionDef)}, path
