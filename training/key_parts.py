"""What the keys of our own two models are made of: command, source, and which settings count."""

from typing import Final

from training.compute.image import PYTHON, pins
from training.data.shard import DatasetManifest
from training.key import KeyParts, source_digest, training_key
from training.learn.config import TrainingConfig
from training.store.spec import Spec

__all__ = ["NOT_IN_KEY", "key_settings", "spec_of"]

_COMMAND: Final = ("python", "-m", "training.learn")
NOT_IN_KEY: Final = frozenset({"preset", "keep_last", "keep_every", "judged_share"})
"""A name, what is kept of a training, and a threshold: none of them changes a weight."""


def key_settings(config: TrainingConfig) -> dict[str, object]:
    """The values of a configuration that are part of the key."""
    return config.model_dump(mode="json", exclude=set(NOT_IN_KEY))


def spec_of(config: TrainingConfig, dataset: DatasetManifest) -> Spec:
    """The training of a configuration on a dataset, with its key."""
    parts = KeyParts(
        command=_COMMAND,
        settings=key_settings(config),
        source=source_digest(),
        requirements=pins(),
        apt=(),
        python=PYTHON,
        env={},
        data=dataset.digest,
    )
    return Spec(
        key=training_key(parts),
        parts=parts,
        settings=config,
        data=dataset.digest,
        label=dataset.name,
        kind=dataset.kind,
    )
