"""Models by any name: a folder, a file, a name in the catalogue, or a repository of the Hugging Face Hub.

Those of the Hub are downloaded once by `dg-engine download` and used offline from then on.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from huggingface_hub import HfApi, constants, hf_hub_download, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils.tqdm import disable_progress_bars

from engine.weights import catalogue
from engine.weights.catalogue import File, ModelError, Unreachable, gigabytes
from engine.weights.progress import Progress, note
from engine.weights.sources import folder_size

FILES = [
    "config.json",
    "generation_config.json",
    "*.safetensors",
    "*.safetensors.index.json",
    "tokenizer*.json",
    "chat_template*",
]
ARCHITECTURES = ("diffusion_gemma", "qwen2", "llama")
_TIMEOUT_SECONDS = 20.0
_POLL_SECONDS = 0.2


def resolve(model: str) -> Path:
    """The folder or GGUF file of a model, without any network.

    It is named as a folder, as a GGUF file, by its name in the catalogue or as `OWNER/NAME[@REVISION]`. Raises
    `ModelError` when it is not on this machine.
    """
    path = Path(model).expanduser()
    if entry := catalogue.find(model):
        if entry.downloaded:
            return entry.path
        raise ModelError(f"{model} is not on this machine: run dg-engine download {model}")
    if path.is_dir() or (path.is_file() and path.suffix == ".gguf"):
        return path
    if path.suffix == ".gguf":
        raise ModelError(f"there is no file {model}: name a GGUF file that is there")
    if "/" not in model:
        raise ModelError(f"there is no folder and no model {model}: {catalogue.similar(model)}")
    repo, revision = _split(model)
    try:
        return Path(snapshot_download(repo, revision=revision, allow_patterns=FILES, local_files_only=True))
    except HFValidationError:
        raise ModelError(f"{model} is neither a folder nor a model's name (OWNER/NAME[@REVISION])") from None
    except LocalEntryNotFoundError:
        raise ModelError(f"{model} is not on this machine: run dg-engine download {model}") from None


def download(model: str, progress: Progress) -> tuple[Path, str]:
    """Fetch `OWNER/NAME[@REVISION]` into the Hub's cache, resuming what is there; its folder and commit.

    Raises `ModelError` for an unknown model, revision or architecture and `Unreachable` without network or room.
    """
    repo, revision = _split(model)
    if "/" not in repo:
        raise ModelError(f"there is no model {model}: {catalogue.similar(model)}")
    with _errors(model):
        commit, wanted = files(repo, revision, FILES)
        check_architecture(repo, commit)
        lacking = [file for file in wanted if not try_to_load_from_cache(repo, file.name, revision=commit)]
        _check_room(repo, lacking)
        progress.total = sum(file.size or 0 for file in wanted)
        note(f"downloading {repo}: {gigabytes(progress.total)} into {constants.HF_HUB_CACHE}")
        with _watched(repo, progress):
            folder = Path(snapshot_download(repo, revision=commit, allow_patterns=FILES))
    progress.at(progress.total)
    return folder, folder.name


def files(repo: str, revision: str | None, patterns: Sequence[str]) -> tuple[str, list[File]]:
    """The commit of a revision, and those of its files that fit a pattern, with the hub's hash of each large one."""
    with _errors(repo):
        info = HfApi().model_info(repo, revision=revision, files_metadata=True, timeout=_TIMEOUT_SECONDS)
        found = [
            File(file.rfilename, file.size, file.lfs.sha256 if file.lfs else None)
            for file in info.siblings or ()
            if any(fnmatch(file.rfilename, pattern) for pattern in patterns)
        ]
    return info.sha or revision or "main", found


def check_architecture(repo: str, commit: str) -> None:
    """Raise `ModelError` where the engine cannot run a model, before the weights are fetched."""
    with _errors(repo):
        try:
            text = Path(hf_hub_download(repo, "config.json", revision=commit)).read_text("utf-8")
        except LocalEntryNotFoundError:  # an EntryNotFoundError too, but it means that there is no network
            raise
        except EntryNotFoundError:
            raise ModelError(
                f"{repo} has no config.json: of a repository of GGUF files, fetch one file and run "
                "dg-engine serve --model FILE.gguf"
            ) from None
    try:
        kind = json.loads(text).get("model_type")
    except (ValueError, AttributeError):
        raise ModelError(f"the config.json of {repo} is not a JSON object: name another model") from None
    if kind not in ARCHITECTURES:
        raise ModelError(f"{repo} is of the architecture {kind!r}: choose one of {', '.join(ARCHITECTURES)}")


@contextmanager
def _errors(model: str) -> Iterator[None]:
    """Turn the Hub library's errors into one line each."""
    repo, revision = _split(model)
    try:
        yield
    except ModelError:
        raise
    except HFValidationError:
        raise ModelError(f"{model} is not a model's name (OWNER/NAME[@REVISION])") from None
    except GatedRepoError:
        page = f"{constants.ENDPOINT}/{repo}"
        raise ModelError(f"{repo} is gated: accept its terms at {page}, then run hf auth login") from None
    except RepositoryNotFoundError:
        raise ModelError(f"{repo} is not on the Hub, or is private: check the name, or run hf auth login") from None
    except RevisionNotFoundError:
        raise ModelError(f"{repo} has no revision {revision}") from None
    except Exception as error:  # which error a dead network gives depends on the Hub library's version
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise Unreachable(f"{repo} could not be downloaded ({reason}): run the command again to resume") from error


@contextmanager
def _watched(repo: str, progress: Progress) -> Iterator[None]:
    """Tell the progress by the size of the repository's folder: the library's own bars are for people alone."""
    disable_progress_bars()
    blobs = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repo, repo_type="model") / "blobs"
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_POLL_SECONDS):
            progress.at(min(folder_size(blobs), progress.total - 1))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _split(model: str) -> tuple[str, str | None]:
    repo, _, revision = model.partition("@")
    return repo, revision or None


def _check_room(repo: str, lacking: list[File]) -> None:
    needed = sum(file.size or 0 for file in lacking)
    cache = Path(constants.HF_HUB_CACHE)
    free = shutil.disk_usage(next(folder for folder in (cache, *cache.parents) if folder.exists())).free
    if needed > free:
        numbers = f"{gigabytes(needed)} are needed and {gigabytes(free)} free"
        raise Unreachable(f"no room for {repo} in {cache}: {numbers}; set HF_HUB_CACHE to a larger disk")
