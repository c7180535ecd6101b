"""Source files on disk: the text as a snapshot, and the way back."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import NamedTemporaryFile

from dg_lsp.documents import Snapshot
from dg_lsp.language_ids import language_of

MAX_BYTES = 4 * 1024 * 1024
"""The largest file that `read_document` takes."""


class DocumentError(ValueError):
    """A document that cannot be used; the text says in one line why and what to do."""


def read_document(path: Path) -> Snapshot:
    """Read a file, byte-order mark and line endings kept as they are.

    Raises DocumentError when it is missing, unreadable, larger than `MAX_BYTES`, binary or not UTF-8.
    """
    try:
        if path.exists() and not path.is_file():
            raise DocumentError(f"{path} is not a file: name a source file")
        _check_size(path.stat().st_size, path)
        data = path.read_bytes()
    except FileNotFoundError:
        raise DocumentError(f"{path} does not exist: check the path") from None
    except OSError as error:
        raise DocumentError(f"{path} cannot be read: {error.strerror or error}") from None
    return Snapshot(path.resolve().as_uri(), language_of(path), 0, text_of(data, str(path)))


def text_of(data: bytes, name: str) -> str:
    """The text of a file's bytes. Raises DocumentError as `read_document` does; `name` is for its message."""
    _check_size(len(data), name)
    if b"\0" in data:
        raise DocumentError(f"{name} is a binary file (it holds a zero byte): name a text file")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DocumentError(f"{name} is not UTF-8 (byte {error.start}): save it as UTF-8 first") from None


def write_document(path: Path, text: str, *, instead_of: str) -> None:
    """Replace a file's text at once, so that nobody ever finds half of it; its mode stays, and a link to it.

    Raises DocumentError when it cannot be written or holds another text than `instead_of`; then it stays as it is.
    """
    target, new = path.resolve(), None
    try:
        if not os.access(target, os.W_OK):
            raise DocumentError(f"{path} may not be written: change its permissions")
        with NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
            new = Path(file.name)
            file.write(text.encode("utf-8", "replace"))
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(target, new)
        if target.read_bytes() != instead_of.encode("utf-8", "replace"):
            raise DocumentError(f"{path} was changed meanwhile and stays as it is: try again")
        new.replace(target)
    except OSError as error:
        raise DocumentError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        if new:
            new.unlink(missing_ok=True)


def _check_size(size: int, name: str | Path) -> None:
    if size > MAX_BYTES:
        limit = MAX_BYTES // 1024**2
        raise DocumentError(f"{name} is too large ({size / 1024**2:.1f} MiB): files up to {limit} MiB are read")
