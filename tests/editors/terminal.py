"""A terminal that tests and pictures can read: a tmux server of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from lsp_session import eventually

COLUMNS, ROWS = 80, 24


class Terminal:
    """A terminal of its own tmux server, in which an editor runs."""

    def __init__(self, folder: Path, command: list[str], environment: dict[str, str]) -> None:
        self._socket = str(folder / "tmux")
        words = [f"{name}={value}" for name, value in environment.items()]
        size = ["-x", str(COLUMNS), "-y", str(ROWS)]
        terminal = ["TERM=tmux-256color", "COLORTERM=truecolor"]
        self._tmux("new-session", "-d", "-s", "dg", *size, "env", "-i", *words, *terminal, *command)

    def keys(self, *keys: str) -> None:
        self._tmux("send-keys", "-t", "dg", *keys)

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p", "-t", "dg")

    def colours(self) -> str:
        """The screen with its escape sequences."""
        return self._tmux("capture-pane", "-p", "-e", "-t", "dg")

    def everything(self) -> str:
        """The screen and what has scrolled out of it, with the escape sequences."""
        return self._tmux("capture-pane", "-p", "-e", "-S", "-", "-t", "dg")

    def wait_for(self, text: str) -> None:
        self.until(lambda screen: text in screen)

    def until(self, true: Callable[[str], bool]) -> str:
        """The screen, as soon as it is as wanted."""
        try:
            eventually(lambda: true(self.screen()), within_s=60)
        except AssertionError as error:
            raise AssertionError(f"{error}:\n{self.screen()}") from None
        return self.screen()

    def close(self) -> None:
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], capture_output=True, check=False)

    def _tmux(self, *words: str) -> str:
        command = ["tmux", "-S", self._socket, "-f", "/dev/null", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
