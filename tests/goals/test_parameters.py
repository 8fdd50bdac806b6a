"""What a user may set, and what is said about a word that cannot be right."""

import sys

import pytest

from agents.errors import UsageError
from training.learn.config import Execution, TrainingConfig
from training.learn.presets import PRESETS

OTHER = {
    "betas": "0.8,0.9",
    "ema_stds": "0.07",
    "precision": "bf16",
    "sampler": "euler",
    "augment": "false",
    "guidance": "3.5",
}
MODELS = {"trained_dit": "dit", "trained_classifier": "classifier"}


def params(catalogue, goal="trained_dit", **words):
    return catalogue.parameters(catalogue.goal(goal), words)


@pytest.mark.parametrize("goal", MODELS)
@pytest.mark.parametrize("name", sorted(set(TrainingConfig.model_fields) - {"model", "preset"}))
def test_every_setting_of_the_training_can_be_set_by_its_name(catalogue, goal, name):
    before = params(catalogue, goal).config()
    now = getattr(before, name)
    given = OTHER.get(name) or str(now * 2 or 1)
    after = params(catalogue, goal, **{name: given}).config()
    assert getattr(after, name) != now
    assert after.model_copy(update={name: now}) == before


@pytest.mark.parametrize(
    ("goal", "preset"), [(goal, preset) for goal in MODELS for preset in PRESETS[MODELS[goal]]]
)
def test_every_preset_of_a_model_can_be_named(catalogue, goal, preset):
    config = params(catalogue, goal, preset=preset).config()
    assert (config.model, config.preset) == (MODELS[goal], preset)


def test_how_a_training_runs_is_no_part_of_what_is_trained(catalogue):
    given = params(catalogue, micro_batch="4", threads="2")
    assert given.config() == params(catalogue).config()
    assert given.execution() == Execution(micro_batch=4, threads=2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"stepz": "3"}, "did you mean 'steps'"),
        ({"preset": "tinny"}, "no preset 'tinny' of dit; did you mean 'tiny'"),
        ({"preset": "dit128", "patch": "7"}, "not a multiple of patch 7"),
        ({"steps": "many"}, "steps='many': .*integer"),
        ({"steps": "-1"}, "steps='-1': .*greater than or equal to 1"),
        ({"learning_rate": "nan"}, "learning_rate='nan': .*finite"),
        ({"compute": "cloud"}, "compute='cloud'"),
        ({"dataset": " "}, "dataset=' ': name a folder"),
        ({"model": "classifier"}, "model='classifier'"),
        ({"threads": "0"}, "threads='0'"),
    ],
)
def test_a_word_that_cannot_be_right_is_named_in_one_line_with_a_way_out(catalogue, words, said):
    with pytest.raises(UsageError, match=said) as caught:
        params(catalogue, **words)
    assert "\n" not in caught.value.message
    assert caught.value.message.count("{") == 0
    assert caught.value.fix == "python -m agents explain trained_dit"


def test_a_name_that_is_no_utf_8_is_refused_before_it_reaches_the_ledger(catalogue):
    with pytest.raises(UsageError, match="not text in UTF-8") as caught:
        params(catalogue, dataset="caf\udce9")
    caught.value.message.encode()


def test_records_alone_take_no_settings_of_a_training(catalogue):
    with pytest.raises(UsageError, match="no parameter 'steps'"):
        params(catalogue, "documented", steps="3")


def test_a_tracker_is_how_a_training_runs_and_not_what_is_trained(catalogue):
    plain, tracked = params(catalogue), params(catalogue, track="tensorboard")
    assert tracked.config() == plain.config()
    assert tracked.execution() == plain.execution()
    assert (plain.track, tracked.track) == (None, "tensorboard")


def test_a_tracker_that_cannot_be_used_is_a_usage_error_before_anything_is_done(
    catalogue, monkeypatch
):
    with pytest.raises(UsageError, match="a container holds no tracker"):
        params(catalogue, track="mlflow", compute="modal")
    monkeypatch.setitem(sys.modules, "alembic", None)  # Python finds no such module
    with pytest.raises(UsageError, match=r"alembic; pip install 'goap-modal-agents\[mlflow\]'"):
        params(catalogue, track="mlflow")


def test_a_sweep_is_every_combination_of_its_values(catalogue):
    given = params(catalogue, "best_dit", sweep="learning_rate=1e-3,2e-3 seed=1,2", preset="smoke")
    found = [(each.learning_rate, each.seed) for each in given.candidates()]
    assert found == [(1e-3, 1), (1e-3, 2), (2e-3, 1), (2e-3, 2)]
    assert catalogue.goal("best_dit").capacity(given) == {"gpu": 2}


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ("learning_rate=1e-3", "is 1 configurations; from 2 to 8"),
        ("seed=1,2,3 batch=4,8,16", "is 9 configurations; from 2 to 8"),
        ("", "from 2 to 8"),
        ("learning_rat=1,2", "with a setting of the preset"),
        ("image_size=32,64", "with a setting of the preset"),
        ("keep_last=1,2", "with a setting of the preset"),
        ("judged_share=0.1,0.2", "with a setting of the preset"),
        ("seed", "with a setting of the preset"),
        ("seed=1,x", "seed"),
        ("seed=1,1", "the same configuration twice"),
    ],
)
def test_a_sweep_that_cannot_be_compared_is_named_before_anything_is_done(catalogue, sweep, said):
    with pytest.raises(UsageError, match=said):
        params(catalogue, "best_dit", sweep=sweep, preset="smoke")
