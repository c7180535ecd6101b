"""The picture of `make demo` for the documentation, part of `make screenshots`: how two gaps are filled, in 80 columns.

It ends with the last gap that is filled as the file's author did.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from animation import Frame, animation
from lsp_session import short_folder
from rich.text import Text
from terminal import COLUMNS, Terminal

PICTURE = Path(__file__).parents[2] / "docs" / "demo.svg"
WITHIN_S = 1200
GAPS = 2
LAST_LINE = "this ends it now:"
RIGHT = "The file's author wrote exactly this."
COMMAND = "$ make demo"


def main() -> None:
    with short_folder() as folder:
        environment = {**os.environ, "DG_RUNTIME_DIR": str(folder)}
        try:
            frames = recorded(folder, environment)
        finally:
            subprocess.run([sys.executable, "-m", "engine.cli", "stop"], env=environment, capture_output=True)
    model = re.findall(r"Ready: (.*)", Text.from_ansi(frames[-1][1]).plain)
    shown = clipped(frames)
    PICTURE.write_text(animation(shown, COLUMNS, max(screen.count("\n") + 1 for _, screen in shown)), encoding="utf-8")
    print(f"{PICTURE}: model of the engine: {model}, {len(shown)} frames")


def recorded(folder: Path, environment: dict[str, str]) -> list[Frame]:
    """All that the demo has shown, whenever that was other than before, with its escape sequences."""
    terminal = Terminal(folder, ["sh", "-c", f"{sys.executable} -m dg_lsp demo; sleep {WITHIN_S}"], environment)
    frames: list[Frame] = [(time.monotonic(), "")]
    try:
        while LAST_LINE not in frames[-1][1]:
            if time.monotonic() > frames[0][0] + WITHIN_S:
                raise SystemExit("the demo did not end: " + terminal.screen())
            screen = terminal.everything()
            if screen != frames[-1][1]:
                frames.append((time.monotonic(), screen))
        return frames
    finally:
        terminal.close()


def clipped(frames: list[Frame]) -> list[Frame]:
    """The command, then the frames from the beginning of a gap to the end of the next one, which was filled rightly."""
    lines = Text.from_ansi(frames[-1][1]).split("\n")
    begins = [number for number, line in enumerate(lines) if re.match(r"\d\. ", line.plain)]
    ends = [*begins[1:], next(number for number, line in enumerate(lines) if " gaps are filled as " in line.plain)]
    right = [gap for gap, span in enumerate(zip(begins, ends, strict=True)) if is_right(lines[slice(*span)])]
    if not right:
        raise SystemExit("the demo fills no gap as the file's author did: take it again")
    begin, end = begins[max(right[-1] + 1 - GAPS, 0)], ends[right[-1]]
    shown: list[Frame] = []
    for at, screen in frames:
        # The terminal has the text from line to line; a style that began above the first one is not known here.
        now = [COMMAND, "", *screen.rstrip().split("\n")[begin:end]]
        while not now[-1].strip():
            now.pop()
        if not shown or shown[-1][1] != "\n".join(now):
            shown.append((at, "\n".join(now)))
    return shown


def is_right(lines: list[Text]) -> bool:
    return any(line.plain == RIGHT for line in lines)


if __name__ == "__main__":
    main()
