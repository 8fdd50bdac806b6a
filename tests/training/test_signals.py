"""The flag that signals and the deadline raise."""

import signal
import threading

from training.runner.signals import SIGNALS, Stop


def test_the_deadline_raises_the_flag_when_its_time_has_come() -> None:
    now = [100.0]
    flag = Stop(5, clock=lambda: now[0])
    assert flag.reason is None
    now[0] = 104.9
    assert flag.reason is None
    now[0] = 105.0
    assert flag.reason == "deadline of 5 seconds"


def test_a_flag_without_deadline_waits_to_be_raised_and_keeps_the_first_reason() -> None:
    flag = Stop()
    assert flag.reason is None
    flag.ask("SIGTERM")
    flag.ask("SIGINT")
    assert flag.reason == "SIGTERM"


def test_every_stop_signal_raises_the_flag_and_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    for number in SIGNALS:
        with Stop().listening() as flag:
            signal.raise_signal(number)
            assert flag.reason == number.name
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_outside_the_main_thread_the_flag_still_knows_its_deadline() -> None:
    found: list[str | None] = []

    def work() -> None:
        with Stop(1e-9).listening() as flag:
            found.append(flag.reason)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == ["deadline of 1e-09 seconds"]
