"""What a package offers, loaded when it is first used, so that the command line answers at once.

Works for packages whose `__init__` names the submodule that each of its calls lives in.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def load_on_use(package: str, name_to_module: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package.

    Args:
        package: The package's `__name__`.
        name_to_module: The submodule that each offered name lives in.

    Example:
        >>> load_on_use("workbench.footage", {"probe": "video_info"})("probe").__name__
        'probe'
    """

    def load(name: str) -> Any:
        if name in name_to_module:
            return getattr(import_module(f"{package}.{name_to_module[name]}"), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return load
