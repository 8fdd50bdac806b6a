"""What commands that are not about goals have to know of trainings, Modal and torch."""

import importlib.metadata
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from agents.declare.contributions import Check, Contributions, Program, Subject
from training.compute.modal.token import configuration
from training.errors import INSTALL

__all__ = ["TRAINING", "OurContributions"]

TRAINING = Subject(
    word="training",
    key="training_key",
    required=(
        *("config_digest", "dataset_digest", "source_digest"),
        *("device", "started", "ended"),
    ),
    comparable="dataset_digest",
    ended="ended",
    call="call_id",
    recorders=("update_docs",),
    places=("repo", "commit"),
)
"""A training, as the provenance of outcomes names it."""


class OurContributions(Contributions):
    """Programs, packages and checks of this project."""

    packages = ("modal",)
    quoted = ("modal", "torch")
    familiar: Mapping[str, Mapping[str, str]] = {"modal": {"app": "App"}}
    subject = TRAINING
    public: Mapping[str, Sequence[str]] = {
        "training": (),
        "actions": ("toolkit", "facts_of", "parameters_of"),
    }

    def programs(self, root: Path) -> Mapping[str, Program]:
        """``modal``, and the command lines of `training`, also where `goap` passes them on."""
        from actions.modal_program import ModalProgram  # noqa: PLC0415 - only where pages are checked
        from agents.documents.programs import ParserProgram  # noqa: PLC0415 - likewise
        from training.__main__ import parser_called  # noqa: PLC0415 - likewise
        from training.compute.loopback.__main__ import _parser as _loopback  # noqa: PLC0415

        return {
            "modal": ModalProgram(root),
            **{
                called: ParserProgram(partial(parser_called, called))
                for called in ("python -m training", "python -m agents training", "goap training")
            },
            "python -m training.compute.loopback": ParserProgram(_loopback),
        }

    def checks(self) -> Iterable[Check]:
        """Whether there is what trains on this machine, and a token of Modal."""
        return (*map(_of_the_extra, ("torch", "safetensors")), self._token())

    @staticmethod
    def _token() -> Check:
        name, path = "modal token", configuration()
        if os.environ.get("MODAL_TOKEN_ID") and os.environ.get("MODAL_TOKEN_SECRET"):
            return Check(name, ok=True, found="in the environment", needed=False)
        if path.is_file():
            return Check(name, ok=True, found=f"in {path}", needed=False)
        return Check(
            name,
            ok=False,
            found="none; only compute=modal needs one",
            fix="modal token new (browser), or modal token set (paste)",
            needed=False,
        )


def _of_the_extra(name: str) -> Check:
    """A package that only training on this machine needs."""
    try:
        return Check(name, ok=True, found=importlib.metadata.version(name), needed=False)
    except importlib.metadata.PackageNotFoundError:
        what = "not installed; only training on this machine needs it"
        return Check(name, ok=False, found=what, fix=INSTALL, needed=False)
