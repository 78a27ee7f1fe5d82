"""Ctrl-C and termination as an event that work looks at, so that records are still written."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

INTERRUPTED, TERMINATED = 130, 143  # exit codes, as shells have them


@dataclass
class Stop:
    """Whether work shall end, and why."""

    event: threading.Event = field(default_factory=threading.Event)
    received: list[int] = field(default_factory=list)  # signals

    @property
    def exit_code(self) -> int | None:
        """What a command that was stopped exits with; None if it was not."""
        if not self.received:
            return None
        return TERMINATED if signal.SIGTERM in self.received else INTERRUPTED


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Take Ctrl-C and SIGTERM as a wish to stop, as long as the block lasts."""
    stop = Stop()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.received.append(number)
        stop.event.set()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
