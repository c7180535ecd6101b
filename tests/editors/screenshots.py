"""Pictures for the README, taken from real editors: `make screenshots`.

Neovim in a terminal watches the default model fill the end of a line; every screen that differs from the one
before becomes a frame of an animated SVG.
"""

from __future__ import annotations

import html
import os
import subprocess
import sys
import time

import nvim
from lsp_session import short_folder
from rich.color import Color
from rich.color_triplet import ColorTriplet
from rich.style import Style
from rich.text import Text
from terminal import COLUMNS, Terminal

PICTURE = nvim.REPOSITORY / "docs" / "pictures" / "neovim_watch.svg"
LINES = 11
CELL_X, CELL_Y, MARGIN = 8.4, 18.0, 12.0
LAST_FRAMES_S = 3.0

TOTAL = """\
def total(numbers):
    result = 0
    for number in numbers:
        result += number
    return \n\n
def mean(numbers):
    return total(numbers) / len(numbers)
"""

Frame = tuple[float, str]
"""When it came (seconds), and the screen with its escape sequences."""


def main() -> None:
    with short_folder() as home, short_folder() as runtime:
        (home / "total.py").write_text(TOTAL)
        look = "colorscheme default | set termguicolors laststatus=0 noruler noshowcmd fillchars=eob:\\ "
        words = [*nvim.command("0.12"), "-c", look, "-c", "syntax on", "+normal 5G$", str(home / "total.py")]
        terminal = Terminal(home, words, nvim.environment(home, runtime, {}))
        try:
            frames = watch(terminal)
        finally:
            terminal.close()
            stop = [sys.executable, "-m", "engine.cli", "stop"]
            subprocess.run(stop, env={**os.environ, "DG_RUNTIME_DIR": str(runtime)}, check=False, capture_output=True)
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(animation(frames), encoding="utf-8")
    print(f"{PICTURE}: {len(frames)} frames")


def watch(terminal: Terminal) -> list[Frame]:
    """The screens of one `:Dg watch`, from the command to the text that was taken."""
    terminal.wait_for("def mean")
    terminal.keys(":lua vim.wait(60000, function() return require('dg').status() == 'dg' end)", "Enter")
    time.sleep(1)
    terminal.keys(":echo", "Enter")
    frames: list[Frame] = [(time.monotonic(), terminal.colours())]
    terminal.keys(":Dg watch", "Enter")
    taken = 0.0
    while not taken or time.monotonic() < taken + 1:
        screen = terminal.colours()
        if screen != frames[-1][1]:
            frames.append((time.monotonic(), screen))
        if not taken and "takes it" in screen:
            time.sleep(1.5)
            terminal.keys("Enter")
            taken = time.monotonic()
        if time.monotonic() > frames[0][0] + 60:
            raise SystemExit("the fill did not end: " + terminal.screen())
    return frames


def animation(frames: list[Frame]) -> str:
    """An SVG that shows the frames one after the other, again and again."""
    begin, end = frames[0][0], frames[-1][0] + LAST_FRAMES_S
    width, height = COLUMNS * CELL_X + 2 * MARGIN, LINES * CELL_Y + 2 * MARGIN
    rules, groups = [], []
    for i, (at, screen) in enumerate(frames):
        till = frames[i + 1][0] if i + 1 < len(frames) else end
        first, last = (100 * (t - begin) / (end - begin) for t in (at, till))
        steps = f"0% {{ opacity: 0 }} {first:.2f}% {{ opacity: 1 }} {last:.2f}%, 100% {{ opacity: 0 }}"
        still = int(i == len(frames) - 1)  # where nothing is animated, the last one is shown
        run = f"animation: f{i} {end - begin:.2f}s step-end infinite; opacity: {still}"
        rules.append(f"@keyframes f{i} {{ {steps} }} #f{i} {{ {run} }}")
        groups.append(f'<g id="f{i}">{frame(screen)}</g>')
    style = "text { font: 14px monospace; white-space: pre; fill: #e0e2ea } " + " ".join(rules)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}">\n<style>{style}</style>\n'
        f'<rect width="100%" height="100%" rx="8" fill="#14161b"/>\n' + "\n".join(groups) + "\n</svg>\n"
    )


def frame(screen: str) -> str:
    """One screen as SVG text, cell by cell in its place."""
    parts = []
    for row, line in enumerate(screen.splitlines()[:LINES]):
        text, column = Text.from_ansi(line), 0
        for piece in text.divide([offset for span in text.spans for offset in (span.start, span.end)]):
            style = Style.combine([Style(), *(Style.parse(str(span.style)) for span in piece.spans)])
            if piece.plain.strip() or style.underline:
                x, y = MARGIN + column * CELL_X, MARGIN + (row + 0.75) * CELL_Y
                length = f'textLength="{len(piece.plain) * CELL_X:.1f}"'
                content = html.escape(piece.plain, quote=False)
                parts.append(f'<text x="{x:.1f}" y="{y:.1f}" {length}{_paint(style)}>{content}</text>')
            column += len(piece.plain)
    return "".join(parts)


def _paint(style: Style) -> str:
    decorations = [name for name, on in (("underline", style.underline), ("line-through", style.strike)) if on]
    colour = f' style="fill: {_hex(style.color)}"' if style.color and not style.color.is_default else ""
    return colour + (f' text-decoration="{" ".join(decorations)}"' if decorations else "")


def _hex(colour: Color) -> str:
    triplet: ColorTriplet = colour.get_truecolor()
    return triplet.hex


if __name__ == "__main__":
    main()
