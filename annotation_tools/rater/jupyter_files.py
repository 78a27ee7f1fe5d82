"""Addresses of files on the Jupyter server that runs this kernel.

The unit is a path below the server's root folder, as its `/files/` address wants it. The server
streams such a file itself, ranges and all, so a video never passes through the kernel. Knows
nothing about videos.
"""

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from jupyter_core.paths import jupyter_runtime_dir

from workbench.errors import WorkbenchError
from workbench.saving import read_object


class NotServedError(WorkbenchError):
    """A file that the browser cannot get from the Jupyter server."""


def server_note() -> dict[str, Any] | None:
    """Return what the server that started this kernel has noted of itself; None if none did.

    A server writes its note in a file named after its process, and the kernel is told which process
    started it. A notebook run by papermill, or in an editor without a server, has no such note.
    """
    for pid in (os.environ.get("JPY_PARENT_PID", ""), str(os.getppid())):
        if note := read_object(Path(jupyter_runtime_dir()) / f"jpserver-{pid}.json"):
            return note
    return None


def server_root() -> Path | None:
    """Return the root folder of the server that started this kernel; None if none did."""
    note = server_note()
    return Path(note["root_dir"]) if note is not None and note.get("root_dir") else None


def served_paths(files: Sequence[Path], root: Path | None) -> list[str]:
    """Return the path of each file relative to the server's root, with forward slashes.

    Links are followed only where the path as written does not lie below the root: the server
    itself follows them.

    Raises:
        NotServedError: If there is no server, or a file lies outside its root or is hidden.
    """
    if root is None:
        raise NotServedError(
            "no Jupyter server started this kernel, so the browser cannot get the clips",
            "open the notebook in JupyterLab, or name the server's root folder: root_dir=…",
        )
    return [_below(file, root).as_posix() for file in files]


def _below(file: Path, root: Path) -> PurePosixPath:
    for path, top in ((Path(os.path.abspath(file)), root), (file.resolve(), root.resolve())):  # noqa: PTH100 (resolve would follow links)
        if not path.is_relative_to(top):
            continue
        relative = PurePosixPath(path.relative_to(top).as_posix())
        if any(part.startswith(".") for part in relative.parts):
            raise NotServedError(
                f"{relative} is hidden, and Jupyter does not serve hidden files",
                "move the clips to a folder whose name has no leading dot",
            )
        return relative
    common = os.path.commonpath([file.resolve().parent, root.resolve()])
    raise NotServedError(
        f"the clips lie outside {root}, the folder that this JupyterLab serves",
        f"start it above both: jupyter lab --ServerApp.root_dir={common}",
    )
