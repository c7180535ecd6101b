"""The picture of `make demo` for the README, part of `make screenshots`: two holes, in a terminal of 80 columns."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from lsp_session import short_folder
from rich.console import Console
from rich.text import Text
from terminal import COLUMNS, Terminal

PICTURE = Path(__file__).parents[2] / "docs" / "demo.svg"
WITHIN_S = 600
LAST_LINE = "`dg-engine stop` ends it now."


def main() -> None:
    with short_folder() as folder:
        environment = {**os.environ, "DG_RUNTIME_DIR": str(folder)}
        try:
            coloured = recorded(folder, environment)
        finally:
            subprocess.run([sys.executable, "-m", "engine.cli", "stop"], env=environment, capture_output=True)
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(shown(Text.from_ansi(coloured)))
    console.save_svg(str(PICTURE), title="dg-lsp demo")
    print(f"{PICTURE}: model of the engine: {re.findall(r'Ready: (.*)', coloured)}")


def recorded(folder: Path, environment: dict[str, str]) -> str:
    """All that the demo has shown at its end, with its escape sequences."""
    terminal = Terminal(folder, ["sh", "-c", f"{sys.executable} -m dg_lsp demo; sleep {WITHIN_S}"], environment)
    try:
        give_up = time.monotonic() + WITHIN_S
        while LAST_LINE not in terminal.screen():
            if time.monotonic() > give_up:
                raise SystemExit("the demo did not end: " + terminal.screen())
            time.sleep(0.5)
        return terminal.everything()
    finally:
        terminal.close()


def shown(everything: Text) -> Text:
    """The command, and the demo from its third hole to the count of right answers."""
    lines = list(everything.split("\n"))
    begin = next(i for i, line in enumerate(lines) if line.plain.startswith("3. "))
    end = next(i for i, line in enumerate(lines) if "holes are as the file's author wrote them" in line.plain)
    return Text("\n").join([Text("$ make demo"), Text("…"), *lines[begin : end + 1]])


if __name__ == "__main__":
    main()
