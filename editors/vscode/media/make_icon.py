"""Draws icon.png: lines of code with one gap that is being filled. Needs nothing but Python."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

SIZE = 128
HEIGHT = 12
GROUND, CODE, GAP = (24, 26, 38), (138, 146, 178), (255, 184, 77)
BARS = [  # left, top, right, colour
    (20, 24, 84, CODE),
    (36, 46, 68, CODE),
    (36, 68, 54, CODE),
    (60, 68, 76, GAP),
    (82, 68, 92, GAP),
    (98, 68, 108, GAP),
    (36, 90, 100, CODE),
]


def pixel(x: int, y: int) -> tuple[int, int, int]:
    for left, top, right, colour in BARS:
        if left <= x < right and top <= y < top + HEIGHT:
            return colour
    return GROUND


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def main() -> None:
    rows = (b"\0" + bytes(value for x in range(SIZE) for value in pixel(x, y)) for y in range(SIZE))
    header = struct.pack(">IIBBBBB", SIZE, SIZE, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"".join(rows), 9)) + chunk(b"IEND", b"")
    Path(__file__).with_name("icon.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)


if __name__ == "__main__":
    main()
