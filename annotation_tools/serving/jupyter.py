"""The browser tools as tiles in JupyterLab's launcher, through jupyter-server-proxy.

The unit is one tile. The proxy starts the tool on a Unix socket that only its user can reach, and
has already asked who they are, so the tool needs no token. The entry points in pyproject.toml name
the functions here.
"""

import sys
from pathlib import Path
from typing import Any


def front() -> dict[str, Any]:
    """The tile of the front page."""
    return _tile("front", "Workbench", [])


def clipper() -> dict[str, Any]:
    """The tile of the clipper."""
    return _tile("clipper", "Clipper", ["clipper"])


def goals() -> dict[str, Any]:
    """The tile of the goal labeller."""
    return _tile("goals", "Goal labeller", ["goals"])


def coach() -> dict[str, Any]:
    """The tile of the coach."""
    return _tile("coach", "Coach", ["coach"])


def _tile(icon: str, title: str, words: list[str]) -> dict[str, Any]:
    program = "from workbench.cli import main; main()"
    return {
        "command": [sys.executable, "-c", program, "serve", *words, "--socket", "{unix_socket}"],
        "unix_socket": True,
        "timeout": 120,
        "new_browser_tab": True,
        "launcher_entry": {
            "enabled": True,
            "title": title,
            "category": "Workbench",
            "icon_path": str(Path(__file__).parent / "static" / f"{icon}.svg"),
        },
    }
