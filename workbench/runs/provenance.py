"""The content key of a run, made from all it depends on, and the machine it ran on.

The key of a run is a digest over named parts: the notebook's code cells, the parameters, the
modules it imports (followed through their own imports), the locked environment and the content of
what it reads. Two runs of the same key do the same work; where keys differ, `changes` says in which
part. Knows nothing about running: it reads files and
the label server, if there is one.
"""

import ast
import contextlib
import difflib
import hashlib
import importlib.util
import json
import os
import platform
import sqlite3
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from workbench.runs.parameters import read_notebook
from workbench.runs.pipeline import BESIDE_PACKAGE
from workbench.runs.plan import PlannedStage
from workbench.saving import read_object, save_json

PACKAGES = ("workbench", "annotation_tools")  # whose source is part of the key
MAIN_PACKAGES = ("workbench", "numpy", "torch", "torchvision", "av", "papermill", "ipykernel")
ABSENT = "absent"
_SQLITE = b"SQLite format 3\0"


class Digests:
    """Content digests of files and folders, remembered by path, size, dates and inode.

    An unchanged folder of many gigabytes then costs one look at each file. A file that takes the
    place of another of the same size and modification time is found out by the other two. A
    database of SQLite counts by its rows; without any it is as good as absent.
    """

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._changed = False
        self._known: dict[str, dict[str, Any]] = read_object(memory) or {}

    def of(self, path: Path) -> str:
        """Return the digest of a file, or of a folder's file names and contents."""
        if path.is_dir():
            whole = hashlib.sha256()
            for file in files_in(path):
                name = os.fsencode(file.relative_to(path))
                whole.update(name + f"\0{self.of(file)}\n".encode())
            return whole.hexdigest()[:32]
        entry = self._entry(path)
        return ABSENT if entry is None else str(entry["digest"])

    def imports_of(self, path: Path) -> tuple[str, list[str]]:
        """Return the digest of a Python file and the names it imports, wherever in it.

        Relative imports keep their leading dots. The name `*` says that the file looks modules up
        by name when asked, so that any of its package may be meant.
        """
        entry = self._entry(path)
        if entry is None:
            return ABSENT, []
        if "imports" not in entry:
            entry["imports"] = imported_names(path.read_text(encoding="utf-8"))
            self._changed = True
        return str(entry["digest"]), entry["imports"]

    def save(self) -> None:
        """Keep what was learned for the next time."""
        if self._changed:
            living = {name: entry for name, entry in self._known.items() if os.path.exists(name)}  # noqa: PTH110 - thousands of paths
            save_json(self._memory, living, indent=None)
            self._changed = False

    def _entry(self, path: Path) -> dict[str, Any] | None:
        name = str(path.absolute())
        try:
            status = path.stat()
        except OSError:
            return None
        known = self._known.get(name)
        stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
        if known is not None and known["stamp"] == stamp:
            return known
        with path.open("rb") as file:
            is_database = file.read(len(_SQLITE)) == _SQLITE
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()[:32]
        if is_database:
            with contextlib.suppress(sqlite3.Error):  # then it counts by its bytes
                digest = _digest_rows(path)
        entry = {"stamp": stamp, "digest": digest}
        # A file written a moment ago can change again within one tick of the file system's clock:
        # its dates do not vouch for its content yet.
        if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > 50_000_000:
            self._known[name] = entry
            self._changed = True
        return entry


def files_in(folder: Path) -> list[Path]:
    """Return all files below a folder, also behind links, sorted, without hidden ones."""
    found: list[Path] = []
    for parent, folders, names in os.walk(folder, followlinks=True):
        here = Path(parent)
        folders[:] = [
            name
            for name in folders
            if not name.startswith((".", "__pycache__")) and not _goes_round(here / name, folder)
        ]
        found += [here / name for name in names if not name.startswith(".")]
    return sorted(found)


def _goes_round(path: Path, top: Path) -> bool:
    """Whether a folder below `top` is a link to one of those it lies in."""
    above = (parent for parent in path.parents if parent == top or top in parent.parents)
    return path.is_symlink() and path.resolve() in {parent.resolve() for parent in above}


@dataclass(frozen=True)
class KeyParts:
    """What goes into a run's key, part by part, as it is kept in run.json."""

    cells: Sequence[str]  # digest of each code cell, in order
    parameters: Mapping[str, Any]
    modules: Mapping[str, str]
    environment: Mapping[str, str]
    reads: Mapping[str, str]

    @property
    def key(self) -> str:
        """The digest over all parts."""
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def key_parts(planned: PlannedStage, root: Path, digests: Digests) -> KeyParts:
    """Return the parts of the key that a run of this stage would have now."""
    notebook = planned.stage.notebook
    cells = [cell for cell in read_notebook(notebook) if cell["type"] == "code"]
    reads = {portable(str(read), root): digests.of(read) for read in planned.reads}
    if planned.reads_label_server:
        reads["label server"] = _digest_label_server()
    return KeyParts(
        cells=[_digest(cell["source"]) for cell in cells],
        parameters={name: portable(value, root) for name, value in planned.values.items()},
        modules=_modules([cell["source"] for cell in cells], notebook.parent, digests),
        environment=_environment(root, digests),
        reads=reads,
    )


def changes(before: Mapping[str, Any], now: KeyParts) -> list[str]:
    """Return in words what differs between the recorded parts of a run and the parts now."""
    after = asdict(now)
    found = _changed_cells(before.get("cells", []), after["cells"])
    parts = {"parameters": "parameter", "modules": "module", "environment": "environment"}
    for part, word in (parts | {"reads": "read"}).items():
        old, new = before.get(part, {}), after[part]
        for name in sorted({**old, **new}):
            if name not in old or name not in new or old[name] != new[name]:
                found.append(f"{word} {name}{_nature(name, old, new, part)}")
    return found


def portable(value: Any, root: Path) -> Any:
    """Return a value with the paths below the project written relative to it."""
    if isinstance(value, str):
        inside = value.startswith(f"{root}{os.sep}")
        return value[len(str(root)) + 1 :] if inside else value
    if isinstance(value, list):
        return [portable(item, root) for item in value]
    if isinstance(value, dict):
        return {str(key): portable(item, root) for key, item in value.items()}
    return value


def imported_names(source: str) -> list[str]:
    """Return the names that Python source imports, `a.b` for `from a import b` among them.

    Example:
        >>> imported_names("from workbench.footage import probe")
        ['workbench.footage', 'workbench.footage.probe']
    """
    try:
        tree = _parse(source)
    except SyntaxError:
        return []  # it cannot be imported, nor run as a cell
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            joint = "" if base.endswith(".") or not base else "."
            found.add(base)
            found.update(f"{base}{joint}{alias.name}" for alias in node.names)
        elif isinstance(node, ast.FunctionDef) and node.name == "__getattr__":
            found.add("*")
    return sorted(found)


def fingerprint(root: Path) -> dict[str, Any]:
    """Return what identifies the environment of a run: versions, machine, commit."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpu_count": os.cpu_count(),
        "packages": {name: version for name in MAIN_PACKAGES if (version := _version(name))},
        "commit": _commit(root),
    }


def find_lock(root: Path) -> Path | None:
    """Return the lock of the project, else the one beside the package; None if there is neither."""
    for folder in (root, BESIDE_PACKAGE):
        if (folder / "requirements.lock").is_file():
            return folder / "requirements.lock"
    return None


def _modules(sources: Iterable[str], beside: Path, digests: Digests) -> dict[str, str]:
    """Digest every module of ours that the cells reach, and every one beside the notebook."""
    found: dict[str, str] = {}
    names = [name for source in sources for name in imported_names(source)]
    while names:
        for module, path in _files_of(names.pop(), beside):
            if module in found:
                continue
            found[module], imports = digests.imports_of(path)
            package = module if path.name == "__init__.py" else module.rpartition(".")[0]
            for imported in imports:
                with contextlib.suppress(ImportError):  # beyond the top package
                    names.append(importlib.util.resolve_name(imported, package))
            if "*" in imports and path.name == "__init__.py":
                names += [f"{package}.{file.stem}" for file in path.parent.glob("*.py")]
    return dict(sorted(found.items()))


def _files_of(name: str, beside: Path) -> list[tuple[str, Path]]:
    """Return the modules that importing `name` runs: the packages on the way, and itself."""
    parts = name.split(".")
    base = BESIDE_PACKAGE if parts[0] in PACKAGES else beside
    found: list[tuple[str, Path]] = []
    for count in range(1, len(parts) + 1):
        place = base.joinpath(*parts[:count])
        module = ".".join(parts[:count])
        if (place / "__init__.py").is_file():
            found.append((module, place / "__init__.py"))
        elif place.with_suffix(".py").is_file():
            found.append((module, place.with_suffix(".py")))
    return found


def _parse(source: str) -> ast.Module:
    """Parse a module, or a cell with magics (`%time`, `!ls`)."""
    try:
        return ast.parse(source)
    except SyntaxError:
        from IPython.core.inputtransformer2 import TransformerManager

        cells = TransformerManager()  # type: ignore[no-untyped-call]
        return ast.parse(cells.transform_cell(source))


def _environment(root: Path, digests: Digests) -> dict[str, str]:
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    lock = find_lock(root)
    if lock is not None:
        return {**found, "requirements.lock": digests.of(lock)}
    return {**found, **{name: _version(name) or ABSENT for name in MAIN_PACKAGES}}


def _changed_cells(old: Sequence[str], new: Sequence[str]) -> list[str]:
    """Say which code cells differ, counted from 1. Cell ids play no part: tools renumber them."""
    found = []
    matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
    for _, old_start, old_end, new_start, new_end in matcher.get_opcodes():
        if old[old_start:old_end] == new[new_start:new_end]:
            continue
        altered = min(old_end - old_start, new_end - new_start)
        found += [f"code cell {new_start + place + 1}" for place in range(altered)]
        found += [f"code cell {n + 1} is new" for n in range(new_start + altered, new_end)]
        found += [f"former code cell {n + 1} is gone" for n in range(old_start + altered, old_end)]
    return found


def _nature(name: str, old: Mapping[str, Any], new: Mapping[str, Any], part: str) -> str:
    if name not in old:
        return " is new"
    if name not in new:
        return " is gone"
    if part == "parameters" or name == "python":
        return f": {_shown(old[name])} → {_shown(new[name])}"
    return " does not exist" if new[name] == ABSENT else ""  # digests say nothing to people


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _digest_rows(path: Path) -> str:
    """Digest the rows of a database, but for what follows from others: versions, what stands."""
    whole, rows = hashlib.sha256(), 0
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
        names = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        for (name,) in names.fetchall():
            if name.startswith("sqlite_") or name.endswith(("_schema", "standing")):
                continue
            for row in db.execute(f'SELECT * FROM "{name}"'):
                whole.update(f"{name}{row!r}\n".encode(errors="backslashreplace"))
                rows += 1
    return whole.hexdigest()[:32] if rows else ABSENT


def _digest_label_server() -> str:
    """Digest the ids of all labels on the server; what was said is never changed."""
    from workbench.labels.store import LabelStore  # takes half a second, and most need no server

    with LabelStore() as store:
        return _digest(store.digest())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit(root: Path) -> str | None:
    """Return the commit checked out at `root`, with + for changes beside it; None outside git."""
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=12", "--exclude=*"]
    try:
        answer = subprocess.run(
            [*command, "--dirty=+"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None
