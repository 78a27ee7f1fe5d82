"""An engine whose items travel as to another process: pickled, in no promised order."""

import pickle
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from workbench.engines.engine import Ended, Here, Needs, Task


class Pickled:
    """Runs tasks here, last first, on copies that were pickled; results are pickled, too."""

    def run(
        self,
        function: Callable[[Any], Any],
        tasks: Iterable[Task],
        needs: Needs = Needs(),  # noqa: B008
        timeout_s: float | None = None,
    ) -> Iterator[Ended]:
        """Yield how each task ended; see `Engine`."""
        for task in reversed(list(tasks)):
            there, copy = pickle.loads(pickle.dumps((function, task)))
            for ended in Here().run(there, [copy]):
                yield pickle.loads(pickle.dumps(ended))
