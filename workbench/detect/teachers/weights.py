"""Where a model's weights are: a hub id or a path becomes a file or folder on this machine.

Knows nothing about models. What is missing is one line with the remedy, said before any work
starts; with HF_HUB_OFFLINE=1 nothing is asked of the network.
"""

import hashlib
from functools import lru_cache
from pathlib import Path

from workbench.detect.teacher import TeacherError

# What transformers reads; hub folders often hold the same weights again in other formats.
_PATTERNS = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")
_PIECE = 1 << 22


def find_weights(weights: str | Path, patterns: tuple[str, ...] = _PATTERNS) -> Path:
    """Return the local file or folder of weights, downloading a hub id that is not cached yet.

    Args:
        weights: A file or folder, or a Hugging Face id such as "facebook/sam2.1-hiera-large".
        patterns: Which files of a hub id are wanted.

    Raises:
        TeacherError: If the weights are not there and cannot be had.
    """
    path = Path(weights).expanduser()
    if path.exists():
        return path
    if path.is_absolute() or str(weights).startswith(("./", "../", "~")) or path.suffix == ".pt":
        raise TeacherError(f"no weights at {path}", "give a file or folder, or a Hugging Face id")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        return Path(snapshot_download(str(weights), allow_patterns=list(patterns)))
    except GatedRepoError:
        problem, remedy = f"{weights} is gated", "accept its licence on the hub and log in there"
    except (RepositoryNotFoundError, HFValidationError):
        problem, remedy = f"no weights {str(weights)!r}", "give a local folder or an id on the hub"
    except LocalEntryNotFoundError:
        problem = f"weights {weights} are not on this machine and the hub cannot be reached"
        remedy = f"where there is a network run `hf download {weights}`, or give a local folder"
    except OSError as error:
        problem, remedy = f"weights {weights} cannot be had ({error})".splitlines()[0], "try again"
    raise TeacherError(problem, remedy)


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
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while piece := content.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
