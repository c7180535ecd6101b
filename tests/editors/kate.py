"""Kate on a display without a screen: keys go in by xdotool, what comes of them is read from the saved file."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from guide import configuration
from lsp_session import eventually
from sample import engine_is_ready, variables

KATE = Path(os.environ.get("DG_EDITORS", Path(__file__).parents[2] / ".editors")) / "kate"

_WIDTH, _HEIGHT = 1000, 700
_MORE_THAN_A_LINE = 30  # rows; a cursor that blinks changes fewer, and so does a menu that says that it is loading

# The server may be started without asking; the list shows nothing but its entries.
_KATERC = """[General]
Show welcome view for new window=false

[KTextEditor View]
Keyword Completion=false
Word Completion=false

[lspclient]
AllowedServerCommandLines={server}
"""
_FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{root}/usr/share/fonts</dir><cachedir>{home}/fonts</cachedir></fontconfig>
"""


class Kate:
    """A Kate with the sample, set up as editors/README.md says, whose engine is ready."""

    def __init__(self, home: Path, line: int, column: int) -> None:
        root, settings = KATE / "root", home / "config"
        self.file = home / "project" / "point.py"
        self._stack, self._screen = ExitStack(), home / "screen"
        self._screen.mkdir()
        (settings / "kate" / "lspclient").mkdir(parents=True)
        (settings / "kate" / "lspclient" / "settings.json").write_text(configuration("Kate"))
        (settings / "katerc").write_text(_KATERC.format(server=Path(sys.executable).parent / "dg-lsp"))
        (home / "fonts.conf").write_text(_FONTS.format(root=root, home=home))
        (home / "xdg").mkdir(mode=0o700)
        self._environment = {
            **variables(home),
            "DISPLAY": self._stack.enter_context(_display(self._screen)),
            "XDG_CONFIG_HOME": str(settings),
            "XDG_DATA_DIRS": str(root / "usr/share"),
            "XDG_RUNTIME_DIR": str(home / "xdg"),
            "DBUS_SESSION_BUS_ADDRESS": "disabled:",
            "FONTCONFIG_FILE": str(home / "fonts.conf"),
            "XKB_CONFIG_ROOT": str(root / "usr/share/X11/xkb"),
            "QT_QPA_PLATFORM": "xcb",
            "QT_PLUGIN_PATH": str(root / "usr/lib/x86_64-linux-gnu/qt6/plugins"),
        }
        log = self._stack.enter_context((home / "kate.log").open("w"))
        command = [str(KATE / "bin" / "kate"), str(self.file), "--line", str(line), "--column", str(column)]
        process = subprocess.Popen(command, cwd=home, env=self._environment, stdout=log, stderr=log)
        self._stack.callback(_end, process)
        try:
            eventually(lambda: self._xdotool("search", "--onlyvisible", "--class", "kate") != "", within_s=60)
            eventually(lambda: engine_is_ready(home), within_s=60)
        except AssertionError as error:
            self.close()
            raise AssertionError(f"{error}:\n{(home / 'kate.log').read_text()}") from None

    def keys(self, *keys: str) -> None:
        self._xdotool("key", "--delay", "50", *keys)

    def open(self, key: str) -> None:
        """Press a key that opens a menu or a list, again where none comes."""

        def opened() -> bool:
            self.keys("Escape", key)
            try:
                eventually(lambda: self._changed_rows(before) > _MORE_THAN_A_LINE, within_s=5)
            except AssertionError:
                return False
            return True

        before = self._at_rest()
        eventually(opened, within_s=60)
        self._at_rest()

    def until_saved(self, true: Callable[[str], bool]) -> None:
        """Wait until the file, saved again and again, is as wanted."""

        def saved() -> bool:
            self.keys("ctrl+s")
            return true(self.file.read_text())

        try:
            eventually(saved, within_s=30)
        except AssertionError as error:
            raise AssertionError(f"{error}:\n{self.file.read_text()}") from None

    def close(self) -> None:
        self._stack.close()

    def _rows(self) -> list[bytes]:
        """What the screen shows, by its rows."""
        pixels, size = (self._screen / "Xvfb_screen0").read_bytes(), 4 * _WIDTH
        return [pixels[start : start + size] for start in range(0, len(pixels), size)]

    def _at_rest(self) -> list[bytes]:
        """What the screen shows when nothing has changed for a second but for the cursor."""

        def rests() -> bool:
            shown.append(self._rows())
            time.sleep(1)
            return self._changed_rows(shown[-1]) <= _MORE_THAN_A_LINE

        shown: list[list[bytes]] = []
        eventually(rests, within_s=30)
        return shown[-1]

    def _changed_rows(self, before: list[bytes]) -> int:
        return sum(row != other for row, other in zip(self._rows(), before, strict=True))

    def _xdotool(self, *words: str) -> str:
        command = [str(KATE / "bin" / "xdotool"), *words]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        return done.stdout


@contextmanager
def _display(folder: Path) -> Iterator[str]:
    """The name of a display that ends with it; what it shows is in a file in the folder."""
    read, write = os.pipe()
    keyboard = ["-xkbdir", str(KATE / "root/usr/share/X11/xkb")]
    screen = ["-screen", "0", f"{_WIDTH}x{_HEIGHT}x24", "-fbdir", str(folder)]
    command = [str(KATE / "bin" / "Xvfb"), "-displayfd", str(write), *screen, *keyboard]
    process = subprocess.Popen(command, cwd=KATE / "root", pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as told:
        number = told.readline().strip()
    try:
        assert number, "Xvfb did not start"
        yield f":{number}"
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
