"""Which action a clip shows: clip datasets, networks, predictions, the test report."""

from typing import Any

__all__ = ["report_from_confusion"]


def __getattr__(name: str) -> Any:
    """Import what the package offers when it is asked for: the test report needs torch."""
    if name in __all__:
        from workbench.actions import testreport

        return getattr(testreport, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
