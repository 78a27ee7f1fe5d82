"""A data folder whose products lie in an object store: any address that fsspec knows.

The unit is a finished run: its own folder and its products. Files go to the store under the hash of
their content, and last of all a list of them, in one step: without its list a run is not there, so
that nothing half-written is read as whole, and what an earlier run left stays whole. What is read
comes through a cache on this machine, by the same hashes.

    URL/objects/<sha256>          contents
    URL/runs/<stage>/<run>.json   what a run left: where, which content
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from workbench.errors import DatasetError, WorkbenchError
from workbench.runs.provenance import files_in
from workbench.runs.run_record import RECORD, load_runs
from workbench.runs.runner import Outcome
from workbench.saving import replacing

LIST_FORMAT = "workbench-stored-run/1"
CACHE_VARIABLE = "WORKBENCH_CACHE"  # of the environment: where read contents are kept


class Mirror:
    """The folder of this machine that stands for one in a store.

    Args:
        url: Such as `s3://bucket/match-7`.
        root: The project's folder; products in it are stored by their place below it.
        out: Where the folders of the runs lie.

    Raises:
        DatasetError: If the store cannot be reached, or its package is not installed.
    """

    def __init__(self, url: str, root: Path, out: Path) -> None:
        self.url = url.rstrip("/")
        name = hashlib.sha256(self.url.encode()).hexdigest()[:8]
        # Below the root, so that runs have the same keys on every machine.
        self.data = root / "data" / "stores" / f"{PurePosixPath(self.url).name}-{name}"
        self._bases = {"run": out, "data": self.data, "root": root}
        self._fs, self._prefix = _open(self.url)

    def pull(self) -> int:
        """Bring the newest stored run of each stage and profile here; return how many came.

        What is here and newer, or the same, is left alone.

        Raises:
            DatasetError: If a list or a content in the store cannot be read, or is damaged.
        """
        newest: dict[tuple[str, str], dict[str, Any]] = {}
        with self._explained():
            for path in self._fs.glob(f"{self._prefix}/runs/*/*.json"):
                listed = json.loads(self._fs.cat_file(path))
                if listed["format"] != LIST_FORMAT:
                    raise DatasetError(f"{path} is no list of a run", "update workbench")
                key = listed["stage"], listed["profile"]
                if key not in newest or newest[key]["started"] < listed["started"]:
                    newest[key] = listed
        here: dict[tuple[str, str], str] = {}
        for run in load_runs(self._bases["run"]):
            if run.status == "ok":
                here.setdefault((run.stage, run.profile), run.started)
        came = [one for key, one in newest.items() if here.get(key, "") < one["started"]]
        for listed in came:
            # The record last: until then the run is not there.
            for file in sorted(listed["files"], key=lambda file: file["path"].endswith(RECORD)):
                self._fetch(file)
        return len(came)

    def push(self, outcome: Outcome) -> None:
        """Store what a stage that is up to date has left, unless it is there.

        Raises:
            DatasetError: If the store cannot be written, or a product lies outside the project.
        """
        run, run_dir = outcome.record, outcome.run_dir
        if run is None or run_dir is None:  # left out
            return
        listed_at = f"{self._prefix}/runs/{run.stage}/{run.run}.json"
        with self._explained():
            stored = self._fs.exists(listed_at) and json.loads(self._fs.cat_file(listed_at))
            if stored and stored["started"] == run.started:
                return
            paths = files_in(run_dir)
            for product in run.products:
                where = self._bases["root"] / product.path
                paths += files_in(where) if where.is_dir() else [where] if where.exists() else []
            files = [self._store(path) for path in dict.fromkeys(paths)]
            head = {"format": LIST_FORMAT, "started": run.started}
            head |= {"stage": run.stage, "profile": run.profile, "run": run.run}
            self._fs.pipe_file(listed_at, json.dumps({**head, "files": files}).encode())

    def _store(self, path: Path) -> dict[str, Any]:
        base = next((one for one in self._bases.items() if one[1] in path.parents), None)
        if base is None:
            problem = f"{path} lies outside the project, and cannot be stored at {self.url}"
            raise DatasetError(problem, "keep products below the project's folder")
        digest, size = _digest(path), path.stat().st_size
        there = f"{self._prefix}/objects/{digest}"
        if not (self._fs.exists(there) and self._fs.info(there)["size"] == size):
            self._fs.put_file(str(path), there)
        name = path.relative_to(base[1]).as_posix()
        return {"base": base[0], "path": name, "sha256": digest, "size": size}

    def _fetch(self, file: dict[str, Any]) -> None:
        target = self._inside(self._bases[file["base"]], file["path"])
        if target.is_file() and _digest(target) == file["sha256"]:
            return
        kept = _cache() / file["sha256"]
        if not kept.is_file():
            with self._explained(), replacing(kept) as part:
                self._fs.get_file(f"{self._prefix}/objects/{file['sha256']}", str(part))
                if _digest(part) != file["sha256"]:
                    problem = f"{self.url}: the content of {file['path']} is damaged"
                    raise DatasetError(problem, "run its stage again where it was made")
        with replacing(target) as part:
            shutil.copyfile(kept, part)

    def _inside(self, folder: Path, name: str) -> Path:
        target = folder / name
        if folder.resolve() not in target.resolve().parents:
            raise DatasetError(f"{self.url} names {name}, outside its folder", "mend it")
        return target

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except WorkbenchError:
            raise
        except Exception as error:  # each kind of store has kinds of errors of its own
            said = " ".join(str(error).split()) or type(error).__name__
            raise DatasetError(
                f"{self.url} cannot be used ({said})", "check the address, and your access to it"
            ) from error


def fetch_folder(url: str, root: Path) -> Path:
    """Bring the files below an address here, those that are not here yet, and return their folder.

    Raises:
        DatasetError: If the store cannot be reached, or holds nothing there.
    """
    mirror = Mirror(url, root, root)
    fs, prefix = mirror._fs, mirror._prefix
    with mirror._explained():
        found = fs.find(prefix, detail=True)
    for path, info in found.items():
        target = mirror._inside(mirror.data, str(PurePosixPath(path).relative_to(prefix)))
        changed = info.get("ETag") or info.get("mtime") or info.get("last_modified")
        # Of videos, which are large and many, the store's own mark of the version is trusted.
        mark = target.with_name(f".{target.name}.version")
        version = f"{info['size']} {changed}"
        if not (target.is_file() and mark.is_file() and mark.read_text() == version):
            with mirror._explained(), replacing(target) as part:
                fs.get_file(path, str(part))
            mark.write_text(version)
    if not found:
        raise DatasetError(f"there is nothing at {url}", "copy videos there")
    return mirror.data


def _open(url: str) -> tuple[Any, str]:
    try:
        import fsspec

        filesystem, prefix = fsspec.core.url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        package = "pip install 'workbench[store]'"
        raise DatasetError(f"{url} needs a package ({error})", package) from None
    except (OSError, ValueError) as error:
        raise DatasetError(f"{url} cannot be used ({error})", "give a URL as s3://…") from None
    return filesystem, prefix.rstrip("/")


def _cache() -> Path:
    default = Path.home() / ".cache" / "workbench"
    folder = Path(os.environ.get(CACHE_VARIABLE) or default) / "objects"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
