"""What everything of one training is called on its volume; the standard library alone.

Names are relative to the volume's root. The runner reads and writes by `LocalLayout`; the engine by
`training.store.directory.TrainingDirectory`, over the volume port. Nothing else spells them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from training.store.names import PINS_FILE, SAVED_FILE, STEP_PREFIX, step_name

__all__ = [
    "ACCOUNTS",
    "CHECKPOINTS_PATTERN",
    "DATASETS",
    "SOURCES",
    "TRAININGS",
    "Layout",
    "LocalLayout",
    "MakingLayout",
    "Paths",
    "dataset_files",
    "dataset_name",
    "kept_account_name",
    "making_key",
    "making_name",
    "source_name",
]

TRAININGS: Final = "trainings"
DATASETS: Final = "datasets"
SOURCES: Final = "sources"
ACCOUNTS: Final = "accounts"
_CHECKPOINTS: Final = "checkpoints"

ROWS_FILE: Final = "metrics.jsonl"
"""The rows of a training, below its run directory."""

CHECKPOINTS_PATTERN: Final = f"{_CHECKPOINTS}/{STEP_PREFIX}*"
"""Where a script that keeps the contract has its checkpoints, below its run directory."""


def dataset_name(digest: str) -> str:
    """The directory of a dataset."""
    return f"{DATASETS}/{digest}"


def source_name(identity: str) -> str:
    """The file that says what a source was last prepared as."""
    return f"{DATASETS}/{SOURCES}/{identity}.json"


def making_name(key: str) -> str:
    """The directory of a command that makes data: its log, and while it runs what it is made of."""
    return f"{DATASETS}/{SOURCES}/{key}"


def making_key(identity: str) -> str:
    """What a command that makes data is claimed under, and its account is called after."""
    return f"data-{identity[:16]}"


def kept_account_name(key: str) -> str:
    """The account of what has no directory of its own, or none any more: what it used is used."""
    return f"{ACCOUNTS}/{key}.jsonl"


def dataset_files(digest: str) -> str:
    """Where the files of a prepared dataset are."""
    return f"{dataset_name(digest)}/files"


class Layout:
    """The names of one training.

    Attributes:
        key: The training key.
    """

    key: str

    @property
    def name(self) -> str:
        """Where everything of this training is, which its script sees as ``$GOAP_RUN_DIR``."""
        return f"{TRAININGS}/{self.key}"

    @property
    def spec_name(self) -> str:
        """What is trained."""
        return f"{self.name}/spec.json"

    @property
    def source_name(self) -> str:
        """The staged copy of the source."""
        return f"{self.name}/source"

    @property
    def staged_name(self) -> str:
        """Which files the staged copy consists of; there once it is whole."""
        return f"{self.name}/source.json"

    @property
    def beside_name(self) -> str:
        """What is shipped too and can change no weight; written anew at each launch."""
        return f"{self.name}/beside"

    @property
    def beside_staged_name(self) -> str:
        """Which files that consists of; there once it is whole."""
        return f"{self.name}/beside.json"

    @property
    def adjustments_name(self) -> str:
        """What a recovery changed for the next attempt."""
        return f"{self.name}/adjustments.json"

    @property
    def account_name(self) -> str:
        """What was used of the hardware, a line at a time."""
        return f"{self.name}/account.jsonl"

    @property
    def attempts_name(self) -> str:
        """How often a process began work on it."""
        return f"{self.name}/attempts.json"

    @property
    def lease_name(self) -> str:
        """Which call of a platform works on it."""
        return f"{self.name}/lease"

    @property
    def starts_name(self) -> str:
        """How often that call was started."""
        return f"{self.name}/starts.json"

    @property
    def metrics_name(self) -> str:
        """One JSON object per line."""
        return f"{self.name}/{ROWS_FILE}"

    @property
    def log_name(self) -> str:
        """The log in words."""
        return f"{self.name}/training.log"

    @property
    def result_name(self) -> str:
        """How the last attempt ended: the runner's verdict."""
        return f"{self.name}/verdict.json"

    @property
    def commit_name(self) -> str:
        """Every file with the hash it had when it was read again."""
        return f"{self.name}/commit.json"

    @property
    def output_name(self) -> str:
        """What it writes that is the data of another training."""
        return f"{self.name}/output"

    @property
    def checkpoints_name(self) -> str:
        """The directory of checkpoints."""
        return f"{self.name}/{_CHECKPOINTS}"

    @property
    def saved_name(self) -> str:
        """The sha256 of every manifest that was sealed."""
        return f"{self.checkpoints_name}/{SAVED_FILE}"

    @property
    def pins_name(self) -> str:
        """The steps that somebody wants kept."""
        return f"{self.checkpoints_name}/{PINS_FILE}"

    def checkpoint_name(self, step: int) -> str:
        """The directory of the checkpoint of a step."""
        return f"{self.checkpoints_name}/{step_name(step)}"


class Paths(Layout):
    """The paths of one training on a volume that is a directory of this machine."""

    if TYPE_CHECKING:  # a dataclass below would take a property here for the default of its field

        @property
        def root(self) -> Path:
            """The volume's directory."""

    @property
    def path(self) -> Path:
        """Where everything of this training is."""
        return self.root / self.name

    @property
    def spec_path(self) -> Path:
        """What is trained."""
        return self.root / self.spec_name

    @property
    def source_path(self) -> Path:
        """The staged copy of the source."""
        return self.root / self.source_name

    @property
    def beside_path(self) -> Path:
        """What is shipped too."""
        return self.root / self.beside_name

    @property
    def adjustments_path(self) -> Path:
        """What a recovery changed for the next attempt."""
        return self.root / self.adjustments_name

    @property
    def account_path(self) -> Path:
        """What was used of the hardware."""
        return self.root / self.account_name

    @property
    def attempts_path(self) -> Path:
        """How often a process began work on it."""
        return self.root / self.attempts_name

    @property
    def log_path(self) -> Path:
        """The log in words."""
        return self.root / self.log_name

    @property
    def verdict_path(self) -> Path:
        """How the last attempt ended."""
        return self.root / self.result_name

    @property
    def saved_path(self) -> Path:
        """The sha256 of every manifest that was sealed."""
        return self.root / self.saved_name

    @property
    def pins_path(self) -> Path:
        """The steps that somebody wants kept."""
        return self.root / self.pins_name

    @property
    def lock_path(self) -> Path:
        """Locked (flock) exactly as long as a runner lives."""
        return self.path / "lock"

    @property
    def owner_path(self) -> Path:
        """Who holds, or last held, the lock."""
        return self.path / "owner.json"

    @property
    def settings_path(self) -> Path:
        """What the script is given: ``$GOAP_SETTINGS``."""
        return self.path / "settings.json"

    @property
    def script_result_path(self) -> Path:
        """What the script says at its end."""
        return self.path / "result.json"

    @property
    def script_failure_path(self) -> Path:
        """What the script says when it knows better than an exit code."""
        return self.path / "failure.json"

    @property
    def samples_path(self) -> Path:
        """Pictures and texts that a script made."""
        return self.path / "samples"


@dataclass(frozen=True)
class LocalLayout(Paths):
    """One training on a volume that is a directory of this machine.

    Attributes:
        root: The volume's directory.
        key: The training key.
    """

    root: Path
    key: str


@dataclass(frozen=True)
class MakingLayout(LocalLayout):
    """One command that makes data, where the volume is a directory of this machine."""

    @property
    def name(self) -> str:
        """Where everything of this command is."""
        return making_name(self.key)

    @property
    def account_name(self) -> str:
        """What was used of the hardware; it stays when the data is deleted."""
        return kept_account_name(self.key)

    @property
    def inputs_path(self) -> Path:
        """A copy of what it reads."""
        return self.path / "inputs"

    @property
    def out_path(self) -> Path:
        """What it writes into."""
        return self.path / "out"
