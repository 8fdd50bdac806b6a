"""The training key: the digest of configuration, source tree and dataset.

Same key, same training: it is launched once and never paid for twice.
"""

import hashlib
import json
from pathlib import Path

from training.learn.config import TrainingConfig

__all__ = ["config_digest", "source_digest", "training_key"]

_LENGTH = 16
_HERE = Path(__file__).resolve().parent


def source_digest(root: Path = _HERE) -> str:
    """64 hex digits over every Python file below `root` but those of ``compute/loopback/``.

    A name and its bytes count, a time stamp or a cache directory does not. The control plane of
    ``compute/loopback/`` never reaches a container, so a change there trains nothing else.
    """
    digest = hashlib.sha256()
    files = {path.relative_to(root).as_posix(): path for path in root.rglob("*.py")}
    for name in sorted(files):
        if name.startswith("compute/loopback/"):
            continue
        content = files[name].read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def config_digest(config: TrainingConfig) -> str:
    """16 hex digits of the values of `config`, whatever order they were given in."""
    return _short(config.model_dump(mode="json"))


def training_key(config: TrainingConfig, dataset_digest: str, source_digest: str) -> str:
    """16 hex digits naming this training."""
    return _short(
        {
            "config": config.model_dump(mode="json"),
            "dataset": dataset_digest,
            "source": source_digest,
        }
    )


def _short(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]
