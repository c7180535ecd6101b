"""A file that is being downloaded: its first bytes so far, hashed as they arrive, checked before it gets its name."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.weights.catalogue import File, ModelError, Unreachable

CHUNK = 1 << 20


class Truncated(Unreachable):
    """A download that ended too soon; what arrived is kept."""


class WrongBytes(ModelError):
    """A download that is not the file that was meant; it was deleted."""


class Partial:
    """The beginning of `file` at `path`. An interrupted download goes on where this ends."""

    def __init__(self, path: Path, file: File, on_growth: Callable[[int], None]) -> None:
        self.file = file
        self._path = path
        self._on_growth = on_growth
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = path.open("r+b" if path.exists() else "w+b")
        self.keep(os.fstat(self._stream.fileno()).st_size)

    def close(self) -> None:
        """Close the file; its bytes stay for the next time."""
        self._stream.close()

    def keep(self, size: int) -> None:
        """Drop all bytes but the first `size`."""
        if self.file.size is not None:
            size = min(size, self.file.size)
        self._stream.truncate(size)
        self._stream.seek(0)
        self._hash = hashlib.sha256()
        while chunk := self._stream.read(CHUNK):
            self._hash.update(chunk)
        self.size = size
        self._on_growth(size)

    def write(self, chunk: bytes) -> None:
        """Append bytes. Raises `WrongBytes` beyond the file's size."""
        if self.file.size is not None and self.size + len(chunk) > self.file.size:
            self._delete(f"is longer than the {self.file.size:,} bytes that it should have")
        self._stream.write(chunk)
        self._hash.update(chunk)
        self.size += len(chunk)
        self._on_growth(self.size)

    def finish(self) -> None:
        """Check size and hash. Raises `Truncated` or `WrongBytes`."""
        if self.file.size is not None and self.size < self.file.size:
            raise Truncated(f"{self.file.name} ended after {self.size:,} of {self.file.size:,} bytes")
        if self.file.sha256 not in (None, self._hash.hexdigest()):
            self._delete(f"has the sha256 {self._hash.hexdigest()}, not {self.file.sha256}")
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def _delete(self, why: str) -> None:
        self._path.unlink(missing_ok=True)
        raise WrongBytes(f"{self.file.name} {why}: it was deleted; run the command again")


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn a disk that is full or cannot be written into one line; what has arrived stays."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Unreachable(
                f"the disk of {folder} is full: free some room, or set DG_MODELS_DIR to a larger disk, "
                "and run the command again to resume"
            ) from None
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG):
            raise ModelError(
                f"{folder} cannot be written to ({error.strerror}): set DG_MODELS_DIR to a folder of your own"
            ) from None
        raise
