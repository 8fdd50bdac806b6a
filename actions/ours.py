"""What our own two models need of the world: sensors look, actions change."""

from actions.adjust import halve_micro_batch, roll_back
from actions.build_image import build_image, image_built
from actions.commit_volume import commit_volume, volume_committed
from actions.disk import free_mb
from actions.free_space import free_space
from actions.prepare_data import dataset_ready, prepare_data
from actions.prune_checkpoints import checkpoints_pruned, prune_checkpoints
from actions.rates import PROVING
from actions.sweep import CANDIDATES, JUDGED, best_chosen, choose_best
from actions.train import hardware_of, train
from actions.training_cost import training_seconds
from actions.training_facts import (
    classifier_trained,
    dit_trained,
    fits_memory,
    loss_finite,
    objective_sound,
)
from actions.update_docs import documented, update_docs
from actions.validate_auth import auth_valid, validating
from goals.parameters import TrainingParameters
from training.compute.recipe import Hardware

__all__ = ["ACTIONS", "SENSORS"]


def asked_hardware(params: TrainingParameters) -> tuple[Hardware, ...]:
    """What is asked for: to prove the image on, and to train on."""
    return PROVING, hardware_of(params)


ACTIONS = (
    validating(TrainingParameters, training_seconds, asked_hardware),
    build_image,
    prepare_data,
    train,
    *CANDIDATES,
    choose_best,
    commit_volume,
    prune_checkpoints,
    update_docs,
    free_space,
    halve_micro_batch,
    roll_back,
)

SENSORS = (
    auth_valid,
    image_built,
    dataset_ready,
    free_mb,
    fits_memory,
    loss_finite,
    objective_sound,
    dit_trained,
    classifier_trained,
    *JUDGED,
    best_chosen,
    volume_committed,
    checkpoints_pruned,
    documented,
)
