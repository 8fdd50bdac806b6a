"""Launching once: claim, call, and the call's id in the claim; whoever comes second attaches.

All that takes long comes before the claim, so that next to nothing lies between it and the call.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

import grpclib
import modal
import modal.exception

from training.compute.modal.budget import ModalSlots
from training.compute.modal.calls import at_work, said
from training.compute.modal.claims import Claim, Claims, being_launched
from training.compute.modal.patience import patient
from training.compute.modal.refusals import is_definite, modal_errors, words_of
from training.compute.modal.states import Sight, Watch
from training.compute.modal.volume import ModalVolume
from training.compute.port import Launch
from training.compute.recipe import Hardware
from training.compute.reservations import Asked, Budget, Granted
from training.compute.spending import Limits, accounts_of
from training.errors import Unreachable
from training.runner.ending import Failure
from training.store.directory import TrainingDirectory
from training.store.earlier import check_layout

__all__ = ["Launcher", "Launching"]

PASSING = ("being_launched", "call_without_name")
PATIENCE_SECONDS, LOOK_SECONDS = 15.0, 0.5
"""How long a launcher waits for the call of another one that was faster, or that died."""


class Launching(Protocol):
    """A training that is to be launched."""

    @property
    def directory(self) -> TrainingDirectory:
        """The training on its volume."""

    @property
    def function(self) -> str:
        """What is called: ``app/function``."""

    @property
    def hardware(self) -> Hardware:
        """What its call waits for, and for how long."""

    def is_completed(self) -> bool:
        """Whether it came to its end already."""

    def prepared(self) -> "modal.Function[Any, Any, Any]":
        """Write what the container reads, deploy, and look the function up."""

    def asked(self, claim: int, /) -> Asked | None:
        """What is to be set aside for its launch; None: nothing.

        Args:
            claim: The number of the launch.
        """

    def spawned(
        self, function: "modal.Function[Any, Any, Any]", over: list[str], granted: Granted, /
    ) -> str:
        """Make the call; its id.

        Args:
            function: As it was prepared.
            over: The calls that had this training before.
            granted: What was set aside.
        """


class Launcher:
    """Launches trainings on one volume, each once.

    Args:
        volume: Where containers write.
        environment: The workspace's environment; the default one when None.
        clock: Seconds since 1970.
        look_seconds: How often a call is looked at that showed no sign of life yet.
        limits: What may be spent.
    """

    def __init__(
        self,
        volume: ModalVolume,
        environment: str | None,
        clock: Callable[[], float],
        look_seconds: float,
        limits: Limits,
    ) -> None:
        self._volume = volume
        self._limits = limits
        self._environment = environment
        self._clock = clock
        self._working: dict[str, str] = {}
        self._launched: dict[str, tuple[str, Claim]] = {}
        self._watch = Watch(environment, clock, look_seconds)

    @patient
    def launch(self, training: Launching) -> Launch:
        """Start a call that trains a key, or attach to the one that does; never two.

        Raises:
            Unreachable: Nobody answers, or another launcher is between its claim and its call.
        """
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                with modal_errors(f"launching {training.directory.key}"):
                    check_layout(self._volume)
                    return self._launch(training)
            except Unreachable as error:
                if error.code not in PASSING or time.monotonic() > end:
                    raise
            time.sleep(LOOK_SECONDS)

    def _launch(self, training: Launching) -> Launch:
        directory, claims = training.directory, self._claims()
        key = directory.key
        before = claims.newest(key)
        previous = "" if before is None else claims.call_of(key, before)
        lease = directory.lease
        over = claims.turns(key, lease)
        for call in dict.fromkeys(each for each in (*over[-1:], previous, lease) if each):
            if (owner := at_work(call)) is not None:
                return Launch(owner, attached=True, call_id=owner)
        if training.is_completed():
            # it ended while nobody looked: there is nothing left to pay for
            last = over[-1] if over else previous
            return Launch(last, attached=True, call_id=last)
        function = training.prepared()
        number = 0 if before is None else before.number + 1
        with claims.taken(key, number, training.function, training.hardware) as mine:
            if mine is None:
                raise being_launched(key)
            granted = Granted(None, None)
            try:
                granted = self._granted(claims, training.asked(number))
                call = training.spawned(function, over, granted)
            except Exception as error:
                if is_definite(error):
                    self._take_back(claims, key, mine, words_of(error), granted)
                raise
            claims.tell(key, mine, call)
        return Launch(call, attached=False, call_id=call, warning=granted.warning)

    def _granted(self, claims: Claims, asked: Asked | None) -> Granted:
        """What a launch may cost, set aside before it is made.

        Raises:
            BudgetUsedUp: Nothing is left.
        """
        return Granted(None, None) if asked is None else self._budget(claims).grant(asked)

    def _take_back(
        self, claims: Claims, key: str, claim: Claim, why: str, granted: Granted
    ) -> None:
        """As well as it goes: where nothing is answered, the next launcher looks by itself."""
        with suppress(modal.exception.Error, grpclib.GRPCError):
            claims.take_back(key, claim, why)
            self._budget(claims).give_back(granted)

    def set_aside(self) -> dict[str, float]:
        """Dollars by training that are set aside for calls which are not over."""
        return self._budget(self._claims()).set_aside()

    def _budget(self, claims: Claims) -> Budget:
        slots = ModalSlots(self._volume.name, self._environment, claims)
        accounts = partial(accounts_of, self._volume)
        return Budget(self._limits, slots, accounts, self._clock)

    def running(self, key: str) -> str | None:
        """The call that works on a key; claims are looked through when it is not the known one."""
        # while a call works on a key no other one may, whatever was claimed since
        known = self._working.pop(key, "")
        owner = at_work(known) if known else None
        if owner is None:
            claims = self._claims()
            claim = claims.newest(key)
            call = "" if claim is None else claims.call_of(key, claim)
            owner = at_work(call) if call and call != known else None
        if owner is not None:
            self._working[key] = owner
        return owner

    def seen(self, key: str, call: str) -> Sight:
        """What the call that works on a key does; it may be given up by that."""
        known = self._launched.get(key)
        if known is None or known[0] != call:
            claim = self._claims().newest(key)
            known = self._launched[key] = (call, claim or Claim(0, call, self._clock()))
        return self._watch.look(*known)

    def explained(self, key: str) -> tuple[str, Failure | None]:
        """The error that the newest call of a key raised, or why it was given up."""
        claim = self._claims().newest(key)
        if claim is None or not claim.call:
            return "", None
        failure = self._watch.stopped(claim.call, claim.app)
        return (said(claim.call), None) if failure is None else (failure.message, failure)

    def _claims(self) -> Claims:
        return Claims(self._environment, self._clock)
