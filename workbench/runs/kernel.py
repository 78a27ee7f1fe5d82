"""The kernel of a run: IPython's, with an output channel that drops nothing.

ZeroMQ lets a publisher throw away what its reader has not taken in time, by default all beyond a
thousand messages: on a busy machine lines of a fast cell go missing, and with them the message that
the cell has ended. Here what was said waits in memory, as it does in the client (`engine`).
"""

from typing import Any

import zmq
from ipykernel.kernelapp import IPKernelApp


class Kernel(IPKernelApp):
    """IPython's kernel application."""

    def init_iopub(self, context: Any) -> None:
        """Open the output channel."""
        context.setsockopt(zmq.SNDHWM, 0)  # no limit
        super().init_iopub(context)  # type: ignore[no-untyped-call]


def main() -> None:
    """Run a kernel until it is told to end."""
    Kernel.launch_instance()
