"""What a document's address tells. An editor may send any text as one, and nothing here raises an error."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

_DRIVE = re.compile(r"/?([A-Za-z]):(?=[/\\]|$)")


def file_path(uri: str) -> Path | None:
    """The file of a URI, that of a notebook for its cells; None for a document that is no file on this machine."""
    scheme, server, text = _split(uri)
    if scheme not in ("file", "vscode-notebook-cell") or "\0" in server + text:
        return None
    path = Path(os.path.normpath(text if server in ("", "localhost") else f"//{server}{text}"))
    return path if path.is_absolute() else None


def _split(uri: str) -> tuple[str, str, str]:
    """Scheme, server and path of a URI; a path of Windows as "c:/folder/name", half of a surrogate pair as "?"."""
    try:
        parts = urlsplit(uri)
        scheme, server, text = parts.scheme, parts.netloc, unquote(parts.path)
    except ValueError:  # brackets in the server's place, as in term://[bash]/1
        scheme, server, text = "", "", unquote(uri)
    server, text = (part.encode("utf-8", "replace").decode("utf-8") for part in (server, text))
    if drive := _DRIVE.match(text):
        text = f"{drive[1].lower()}:{text[drive.end() :]}".replace("\\", "/")
    return scheme, server, text


def file_name(uri: str) -> str:
    """The last part of a URI's path; "" where there is none."""
    return (named_parts(uri) or ("",))[-1]


def named_parts(uri: str) -> tuple[str, ...]:
    """The parts of a URI's path, from the top."""
    return PurePosixPath(_split(uri)[2].lstrip("/")).parts
