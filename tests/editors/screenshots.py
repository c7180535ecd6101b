"""Pictures for the documentation, taken from real editors: `make screenshots`.

Neovim in a terminal, twice: with a pretrained model it fills a function and the rest of a line, for the README; with
the default model it fills a canvas. Every screen that differs from the one before becomes a frame of an animated SVG.
A picture that would end in a wrong answer is not taken.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nvim
from animation import Frame, animation
from lsp_session import short_folder
from terminal import COLUMNS, Terminal

PICTURES = nvim.REPOSITORY / "docs" / "pictures"
MODEL = "qwen2.5-coder-0.5b"
WITHIN_S = 300

WORDS = """\
def count_words(text):
    \"""How often each word occurs in the text.\"""
    pass


def main():
    text = "to be or not to be"
"""

TOTAL = """\
def total(numbers):
    result = 0
    for number in numbers:
        result += number
    return \n\n
def mean(numbers):
    return total(numbers) / len(numbers)
"""


def main() -> None:
    filled(PICTURES / "neovim_watch.svg", rows=17)
    canvas(PICTURES / "neovim_canvas.svg", rows=11)


def filled(picture: Path, rows: int) -> None:
    """A function is filled while one watches, then ghost text completes a line."""
    with neovim("words.py", WORDS, MODEL, "normal 3G$") as (terminal, file):
        film = Film(terminal)
        terminal.keys(":Dg watch", "Enter")
        film.until(lambda screen: "takes it" in screen)
        film.stay(1.0)
        terminal.keys("Enter")
        film.stay(0.8)
        terminal.keys("G", "o")
        film.typed("print(co")
        film.until(lambda screen: "count_words(text))" in screen)
        film.stay(0.8)
        terminal.keys("C-l")
        film.stay(0.5)
        save(terminal)
        answer: dict[str, Any] = {}
        exec(file.read_text(), answer)
        counts = [answer["count_words"](text) for text in ("", "a b  a")]
        if counts != [{}, {"a": 2, "b": 1}] or "    print(count_words(text))\n" not in file.read_text():
            raise SystemExit(f"{picture.name}: the answer is wrong, take it again:\n{file.read_text()}")
        write(picture, film.frames, rows)


def canvas(picture: Path, rows: int) -> None:
    """The canvas of a diffusion model settles."""
    with neovim("total.py", TOTAL, "dg-default", "normal 5G$") as (terminal, file):
        film = Film(terminal)
        terminal.keys(":Dg watch", "Enter")
        film.until(lambda screen: "takes it" in screen)
        film.stay(1.0)
        terminal.keys("Enter")
        film.stay(0.8)
        save(terminal)
        if "    return result\n" not in file.read_text():
            raise SystemExit(f"{picture.name}: the answer is wrong, take it again:\n{file.read_text()}")
        write(picture, film.frames, rows)


def save(terminal: Terminal) -> None:
    """Write the file, off the record."""
    terminal.keys("Escape", ":write", "Enter")
    terminal.wait_for("written")


def write(picture: Path, frames: list[Frame], rows: int) -> None:
    PICTURES.mkdir(exist_ok=True)
    picture.write_text(animation(frames, COLUMNS, rows), encoding="utf-8")
    print(f"{picture}: {len(frames)} frames")


class Film:
    """The screens of a terminal from now on, each once."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self.frames: list[Frame] = [(time.monotonic(), terminal.colours())]

    def until(self, true: Callable[[str], bool]) -> None:
        """Go on until the screen is as wanted."""
        give_up = time.monotonic() + WITHIN_S
        while not true(self._terminal.screen()):
            if time.monotonic() > give_up:
                raise SystemExit(f"this was waited for in vain:\n{self._terminal.screen()}")
            self._look()
        self._look()

    def stay(self, seconds: float) -> None:
        """Go on for some seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._look()

    def typed(self, text: str) -> None:
        """Type as a person does."""
        for character in text:
            self._terminal.keys("Space" if character == " " else character)
            self.stay(0.08)

    def _look(self) -> None:
        screen = self._terminal.colours()
        if screen != self.frames[-1][1]:
            self.frames.append((time.monotonic(), screen))


@contextmanager
def neovim(name: str, text: str, model: str, place: str) -> Iterator[tuple[Terminal, Path]]:
    """A Neovim on a file whose server is ready, with an engine of its own."""
    with short_folder() as home, short_folder() as runtime:
        (home / name).write_text(text)
        look = "colorscheme default | set termguicolors laststatus=0 noruler noshowcmd noshowmode fillchars=eob:\\ "
        words = [*nvim.command("0.12"), "-c", look, "-c", "syntax on", f"+{place}", str(home / name)]
        settings = {"engine": {"model": model}, "inline": {"deadline_ms": WITHIN_S * 1000}}
        options = {"keys": {"accept": "<C-l>"}, "settings": settings}
        # The user's downloaded models, though the home is another one.
        models = os.environ.get("DG_MODELS_DIR", str(Path.home() / ".cache" / "dg-lsp" / "models"))
        environment = {**nvim.environment(home, runtime, options), "DG_MODELS_DIR": models}
        terminal = Terminal(home, words, environment)
        try:
            terminal.wait_for("def ")
            terminal.keys(":lua vim.wait(300000, function() return require('dg').status() == 'dg' end)", "Enter")
            time.sleep(1)
            terminal.keys(":echo", "Enter")
            yield terminal, home / name
        finally:
            terminal.close()
            stop = [sys.executable, "-m", "engine.cli", "stop"]
            subprocess.run(stop, env={**os.environ, "DG_RUNTIME_DIR": str(runtime)}, check=False, capture_output=True)


if __name__ == "__main__":
    main()
