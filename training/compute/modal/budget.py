"""The row of reservations of a volume, in a `modal.Dict` that every launcher and container sees.

``<number>`` is a reservation, and ``<number>/begun`` the call that it was made for, which writes
that itself before it does anything. Who finds a launcher gone writes there that the money was given
back: a call that arrives all the same finds that, and ends at once. Both write only where nobody
has, so one of the two is true for ever.
"""

from collections.abc import Mapping
from typing import Any, Final

import modal

from training.compute.modal.calls import at_work
from training.compute.modal.claims import Claims
from training.compute.modal.container import begun_name, budget_name
from training.compute.reservations import Reservation, State
from training.errors import Unreachable

__all__ = ["ModalSlots"]

GIVEN_BACK: Final = ""
SETTLED: Final = "settled"


class ModalSlots:
    """The reservations of one volume.

    Args:
        volume: Its name.
        environment: The workspace's environment; the default one when None.
        claims: Says which call was made for a launch.
    """

    def __init__(self, volume: str, environment: str | None, claims: Claims) -> None:
        self._claims = claims
        self._newest = -1
        self._dict = modal.Dict.from_name(
            budget_name(volume), environment_name=environment, create_if_missing=True
        )

    def read(self) -> dict[int, Reservation | None]:
        """Every slot that was taken, in one request; None in one that is settled.

        Those that are settled and not the newest are forgotten: nobody takes their number again.
        """
        entries: dict[str, Any] = {str(name): value for name, value in self._dict.items()}
        slots = {int(name): value for name, value in entries.items() if name.isdecimal()}
        self._newest = max(slots, default=-1)
        found: dict[int, Reservation | None] = {}
        for number, value in slots.items():
            call = entries.get(begun_name(number))
            if value == SETTLED or call == GIVEN_BACK:
                found[number] = None
            else:
                found[number] = Reservation(**{**value, "call": call or ""})
            if found[number] is None and number < self._newest:
                self._forget(number)
        return found

    def take(self, number: int, value: Mapping[str, Any]) -> bool:
        """Write a slot that nobody wrote; False when somebody did."""
        return self._dict.put(str(number), dict(value), skip_if_exists=True)

    def state_of(self, number: int, reservation: Reservation) -> State:
        """Whether the call of a reservation is over; one that nobody made is, from now on."""
        try:
            return self._state_of(number, reservation)
        except Unreachable:
            return State(over=False, call=reservation.call)  # unknown is not over

    def _state_of(self, number: int, reservation: Reservation) -> State:
        call = reservation.call or self._call_of(reservation)
        if call and at_work(call) == call:
            return State(over=False, call=call)
        if reservation.call:
            return State(over=True, call=call)
        if self.give_back(number):
            return State(over=True)
        return State(over=False, call=str(self._dict.get(begun_name(number)) or ""))

    def give_back(self, number: int) -> bool:
        """Say that no call was made; False when one began all the same."""
        return self._dict.put(begun_name(number), GIVEN_BACK, skip_if_exists=True)

    def settle(self, number: int) -> None:
        """From now on the account of its training says what its call used."""
        if number < self._newest:
            self._forget(number)
        else:
            self._dict.put(str(number), SETTLED)

    def _call_of(self, reservation: Reservation) -> str:
        claim = self._claims.numbered(reservation.key, reservation.claim)
        return "" if claim is None else self._claims.call_of(reservation.key, claim)

    def _forget(self, number: int) -> None:
        if self._dict.get(begun_name(number)) != GIVEN_BACK:
            self._dict.pop(begun_name(number), None)
        self._dict.pop(str(number), None)
