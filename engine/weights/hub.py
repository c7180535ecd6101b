"""Models of the Hugging Face Hub: downloaded once by `dg-engine download`, used offline from then on."""

from __future__ import annotations

import shutil
from fnmatch import fnmatch
from pathlib import Path

from huggingface_hub import HfApi, constants, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

FILES = [
    "config.json",
    "generation_config.json",
    "*.safetensors",
    "*.safetensors.index.json",
    "tokenizer*.json",
    "chat_template*",
]
_TIMEOUT_SECONDS = 20.0


class HubError(ValueError):
    """A model that cannot be had; one line that says what to do."""


class HubUnreachable(HubError):
    """The Hub, or room for what it would send, is not there at the moment."""


def resolve(model: str) -> Path:
    """The folder of a model named as a folder or as `OWNER/NAME[@REVISION]`, without any network.

    Raises `HubError` when it is not on this machine.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    repo, revision = _split(model)
    try:
        return Path(snapshot_download(repo, revision=revision, allow_patterns=FILES, local_files_only=True))
    except HFValidationError:
        raise HubError(f"{model} is neither a folder nor a model's name (OWNER/NAME[@REVISION])") from None
    except LocalEntryNotFoundError:
        raise HubError(f"{model} is not on this machine: run dg-engine download {model}") from None


def download(model: str) -> tuple[Path, str]:
    """Fetch `OWNER/NAME[@REVISION]` into the Hub's cache, resuming what is there; its folder and commit.

    Raises `HubError` for an unknown model or revision and `HubUnreachable` without network or room.
    """
    repo, revision = _split(model)
    try:
        _check_room(repo, revision)
        folder = Path(snapshot_download(repo, revision=revision, allow_patterns=FILES))
    except HubError:
        raise
    except HFValidationError:
        raise HubError(f"{model} is not a model's name (OWNER/NAME[@REVISION])") from None
    except GatedRepoError:
        page = f"{constants.ENDPOINT}/{repo}"
        raise HubError(f"{repo} is gated: accept its terms at {page}, then run hf auth login") from None
    except RepositoryNotFoundError:
        raise HubError(f"{repo} is not on the Hub, or is private: check the name, or run hf auth login") from None
    except RevisionNotFoundError:
        raise HubError(f"{repo} has no revision {revision}") from None
    except Exception as error:  # which error a dead network gives depends on the Hub library's version
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise HubUnreachable(f"{repo} could not be downloaded ({reason}): run the command again to resume") from error
    return folder, folder.name


def _split(model: str) -> tuple[str, str | None]:
    repo, _, revision = model.partition("@")
    return repo, revision or None


def _check_room(repo: str, revision: str | None) -> None:
    info = HfApi().model_info(repo, revision=revision, files_metadata=True, timeout=_TIMEOUT_SECONDS)
    needed = sum(
        file.size or 0
        for file in info.siblings or ()
        if any(fnmatch(file.rfilename, pattern) for pattern in FILES)
        and not try_to_load_from_cache(repo, file.rfilename, revision=info.sha)
    )
    cache = Path(constants.HF_HUB_CACHE)
    free = shutil.disk_usage(next(folder for folder in (cache, *cache.parents) if folder.exists())).free
    if needed > free:
        gigabytes = f"{needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB free"
        raise HubUnreachable(f"no room for {repo} in {cache}: {gigabytes}; set HF_HUB_CACHE to a larger disk")
