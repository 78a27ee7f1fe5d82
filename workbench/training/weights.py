"""Where a model's weights are, and a pretrained transformers model that is loaded from them.

A hub id, a path or an address with a pinned hash becomes a file or folder on this machine. What is
missing is one line with the remedy, said before any work starts; with HF_HUB_OFFLINE=1 nothing is
asked of the network. Knows nothing about what a model is for.
"""

import hashlib
import http.client
import os
import ssl
import urllib.error
import urllib.request
from contextlib import AbstractContextManager
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from workbench.errors import WorkbenchError
from workbench.saving import writing

if TYPE_CHECKING:
    import torch

# What transformers reads; hub folders often hold the same weights again in other formats.
_PATTERNS = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
_DOWNLOAD_TIMEOUT_S = 20.0
_THE_REST, _BEYOND_END = 206, 416  # HTTP
_NETWORK_FAULTS = (
    *(urllib.error.URLError, http.client.HTTPException),
    *(TimeoutError, ConnectionError, ssl.SSLError),
)
_BLOCK, _WORTH_A_BAR = 1 << 18, 5_000_000  # bytes


class WeightsError(WorkbenchError):
    """Weights that are not there, cannot be had, or are not what they should be."""


def find_weights(weights: str | Path) -> Path:
    """Return the local file or folder of weights, downloading a hub id that is not cached yet.

    An id is one of Hugging Face, such as "facebook/sam2.1-hiera-large".

    Raises:
        WeightsError: If the weights are not there and cannot be had.
    """
    path = Path(weights).expanduser()
    if path.exists():
        return path
    if path.is_absolute() or str(weights).startswith(("./", "../", "~")) or path.suffix == ".pt":
        raise WeightsError(f"no weights at {path}", "give a file or folder, or a Hugging Face id")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        return Path(snapshot_download(str(weights), allow_patterns=_PATTERNS))
    except GatedRepoError:
        problem, remedy = f"{weights} is gated", "accept its licence on the hub and log in there"
    except (RepositoryNotFoundError, HFValidationError):
        problem, remedy = f"no weights {str(weights)!r}", "give a local folder or an id on the hub"
    except LocalEntryNotFoundError:
        problem = f"weights {weights} are not on this machine and the hub cannot be reached"
        remedy = f"where there is a network run `hf download {weights}`, or give a local folder"
    except OSError as error:
        problem, remedy = f"weights {weights} cannot be had ({error})".splitlines()[0], "try again"
    raise WeightsError(problem, remedy)


def weights_identity(path: Path) -> str:
    """A name that changes when the weights do: a digest of the content of the file or folder."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        state = file.stat()
        name = file.relative_to(path).as_posix()
        digest.update(f"{name} {_digest(file, state.st_size, state.st_mtime_ns)}\n".encode())
    return f"{path.name} {digest.hexdigest()[:16]}"


@lru_cache(maxsize=256)
def _digest(file: Path, size_bytes: int, mtime_ns: int) -> str:
    del size_bytes, mtime_ns  # part of the key only
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def fetch_pinned(address: str, digest: str, path: Path) -> None:
    """Download a file whose content is known beforehand; another content is refused.

    What has come when a download is interrupted stays beside the file as `<name>.part`, and the
    next one goes on from there where the server can.

    Args:
        address: Where it is.
        digest: Its SHA-256 or the first digits of it, or "md5:" and its MD5.
        path: Where it is saved.

    Raises:
        WeightsError: If it cannot be downloaded, or is another file.
    """
    remedy = f"download {address} elsewhere and save it as {path}"
    kind, _, known = digest.rpartition(":")
    part = path.with_name(f"{path.name}.part")
    if offline():
        raise WeightsError(f"{path.name} is not on this machine, and HF_HUB_OFFLINE is set", remedy)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _download(address, part)
        except _NETWORK_FAULTS as error:
            raise WeightsError(f"{path.name} cannot be downloaded ({error})", remedy) from None
        with part.open("rb") as content:
            found = hashlib.file_digest(content, kind or "sha256").hexdigest()
        if not found.startswith(known):
            part.unlink()
            raise WeightsError(
                f"what came as {path.name} has the {(kind or 'SHA-256').upper()} {found[:12]}…, "
                f"not {known[:12]}…",
                remedy,
            )
        part.replace(path)


def offline() -> bool:
    """Whether nothing may be asked of the network."""
    return os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")


def _download(address: str, part: Path) -> None:
    """Download to a file, or the rest of what it holds the beginning of."""
    start = part.stat().st_size if part.exists() else 0
    asked = urllib.request.Request(address, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        answer = urllib.request.urlopen(asked, timeout=_DOWNLOAD_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if start and error.code == _BEYOND_END:  # all of it is there, or it is another file
            return
        raise
    with answer:
        if getattr(answer, "status", None) != _THE_REST:
            start = 0
        length = answer.headers.get("Content-Length")
        total = int(length) + start if length else None
        with (
            part.open("ab" if start else "wb") as out,
            tqdm(
                desc=part.stem, total=total, initial=start, unit="B", unit_scale=True,
                mininterval=1, disable=(total or 0) < _WORTH_A_BAR,
            ) as bar,
        ):  # fmt: skip
            while block := answer.read(_BLOCK):
                out.write(block)
                bar.update(len(block))
        if total is not None and part.stat().st_size < total:
            raise http.client.IncompleteRead(b"", total - part.stat().st_size)


class Pretrained:
    """Weights, device and precision of one model; nothing is loaded before it is needed.

    Weights are a local folder or hub id, classes those of processor and model by their names in
    transformers, options those of `from_pretrained`; `device` and `amp` are as in `compute`.

    Raises:
        WeightsError: If the weights are missing.
    """

    def __init__(
        self,
        weights: str | Path,
        classes: tuple[str, str],
        device: str = "auto",
        amp: str = "auto",
        **options: Any,
    ) -> None:
        self.folder, self._classes, self._options = find_weights(weights), classes, options
        self._device_name, self._amp = device, amp

    @cached_property
    def device(self) -> "torch.device":
        """Where the model runs."""
        from workbench.training.compute import choose_device

        return choose_device(self._device_name)

    @cached_property
    def settings(self) -> dict[str, str]:
        """What of it decides labels.

        Not the device, which changes the last digits only: labels made on a GPU stay good on a
        laptop.
        """
        return {"weights": weights_identity(self.folder), "amp": self._amp}

    def inference(self) -> AbstractContextManager[None]:
        """Run the model inside: no gradients, at its precision."""
        from workbench.training.compute import choose_precision, inference

        return inference(choose_precision(self._amp, self.device), self.device)

    @cached_property
    def parts(self) -> tuple[Any, Any]:
        """Processor and model, on the device and ready to run.

        Raises:
            WeightsError: If the folder holds something else.
        """
        import transformers

        processor_class, model_class = (getattr(transformers, name) for name in self._classes)
        try:
            processor = processor_class.from_pretrained(self.folder, **self._options)
            model = model_class.from_pretrained(self.folder, **self._options)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise WeightsError(
                f"{self.folder} holds no {model_class.__name__} ({str(error).splitlines()[0]})",
                "give the folder or hub id of such a model",
            ) from None
        return processor, model.eval().to(self.device)
