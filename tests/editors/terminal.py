"""An editor in a real terminal: tmux types for it and shows its screen."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

COLUMNS, LINES = 100, 30


class Terminal:
    """One program in a tmux server of its own, with no environment but the one given."""

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self._socket = f"dg-{os.getpid()}-{id(self)}"
        defaults = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "tmux-256color"}
        variables = [f"{name}={value}" for name, value in {**defaults, **environment}.items()]
        size = ["-x", str(COLUMNS), "-y", str(LINES)]
        self._tmux("new-session", "-d", "-s", "editor", *size, "-c", str(folder), "env", "-i", *variables, *command)

    def keys(self, *names: str) -> None:
        """Press keys by tmux's names, such as Enter, C-x or F5; anything else is typed as it is."""
        self._tmux("send-keys", "-t", "editor", *names)

    def screen(self, *, colours: bool = False) -> str:
        """What stands on the screen, on request with its escape sequences."""
        return self._tmux("capture-pane", "-p", "-t", "editor", *(["-e"] if colours else []))

    def until(self, true: Callable[[str], bool], what: str, within_s: float = 60) -> str:
        """The screen, as soon as it is as wanted."""
        give_up = time.monotonic() + within_s
        while not true(screen := self.screen()):
            assert time.monotonic() < give_up, f"{what}: not seen within {within_s:.0f} s:\n{screen}"
            time.sleep(0.1)
        return screen

    def close(self) -> None:
        """End the program and its terminal."""
        subprocess.run(["tmux", "-L", self._socket, "kill-server"], capture_output=True)

    def _tmux(self, *arguments: str) -> str:
        command = ["tmux", "-L", self._socket, "-f", "/dev/null", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
