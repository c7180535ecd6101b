"""Source files on disk: the language that a name tells, and the text as a snapshot."""

from __future__ import annotations

from pathlib import Path

from dg_lsp.documents import Snapshot

MAX_BYTES = 4 * 1024 * 1024
"""The largest file that `read_document` takes."""

_LANGUAGES = {
    "python": (".py", ".pyi", ".pyw"),
    "javascript": (".js", ".mjs", ".cjs"),
    "javascriptreact": (".jsx",),
    "typescript": (".ts", ".mts", ".cts"),
    "typescriptreact": (".tsx",),
    "rust": (".rs",),
    "go": (".go",),
    "c": (".c",),
    # C++ reads nearly every C header, C reads few C++ headers.
    "cpp": (".cpp", ".cc", ".cxx", ".h", ".hpp", ".hh", ".hxx"),
    "java": (".java",),
}
_BY_SUFFIX = {suffix: language for language, suffixes in _LANGUAGES.items() for suffix in suffixes}


class DocumentError(ValueError):
    """A document that cannot be used; the text says in one line why and what to do."""


def read_document(path: Path) -> Snapshot:
    """Read a file, byte-order mark and line endings kept as they are.

    Raises DocumentError when it is missing, unreadable, larger than `MAX_BYTES`, binary or not UTF-8.
    """
    try:
        if path.exists() and not path.is_file():
            raise DocumentError(f"{path} is not a file: name a source file")
        size = path.stat().st_size
        if size > MAX_BYTES:
            limit = MAX_BYTES // 1024**2
            raise DocumentError(f"{path} is too large ({size / 1024**2:.1f} MiB): files up to {limit} MiB are read")
        data = path.read_bytes()
    except FileNotFoundError:
        raise DocumentError(f"{path} does not exist: check the path") from None
    except OSError as error:
        raise DocumentError(f"{path} cannot be read: {error.strerror or error}") from None
    if b"\0" in data:
        raise DocumentError(f"{path} is a binary file (it holds a zero byte): name a text file")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DocumentError(f"{path} is not UTF-8 (byte {error.start}): save it as UTF-8 first") from None
    return Snapshot(path.resolve().as_uri(), language_of(path), 0, text)


def language_of(path: str | Path) -> str:
    """The LSP language identifier for a file name; "plaintext" when it is none of the known ones."""
    return _BY_SUFFIX.get(Path(path).suffix.lower(), "plaintext")
