"""Where a message begins and ends on stdin: headers, an empty line, and as many bytes as the headers say."""

from __future__ import annotations

import re
from typing import BinaryIO

_LENGTH = re.compile(rb"content-length[ \t]*:[ \t]*(\d{1,10})", re.IGNORECASE)
_HEADER = re.compile(rb"[\w-]+[ \t]*:.*")
_MAX_BYTES = 2**30


class MalformedHeader(Exception):
    """Nobody can tell where the next message begins. The text holds nothing of the header, which may be code."""


def read_message(stdin: BinaryIO) -> bytes | None:
    """Returns the next message's body, waiting for it; None at the end of the stream.

    Names of headers are read in any case, with or without blanks around the value, and lines may end in "\\n" alone.
    Raises `MalformedHeader`.
    """
    length: int | None = None
    begun = False
    while (line := stdin.readline()).endswith(b"\n"):
        header = line.strip()
        if found := _LENGTH.fullmatch(header):
            length = int(found[1])
        elif header and not _HEADER.fullmatch(header):
            raise MalformedHeader("a line before a message is no header")
        elif header.lower().startswith(b"content-length"):
            raise MalformedHeader("the number in a Content-Length header cannot be read")
        begun = begun or bool(header)
        if begun and not header:
            return _body(stdin, length)
    return None


def _body(stdin: BinaryIO, length: int | None) -> bytes | None:
    if length is None:
        raise MalformedHeader("a message has no Content-Length header")
    if length > _MAX_BYTES:
        raise MalformedHeader("a Content-Length header names more than a gigabyte")
    body = stdin.read(length)
    return body if len(body) == length else None
