"""Real editing at a person's speed, replayed to a real server process; the engine is the scripted one.

    python -m tests.tools.replay [--keys 2000] [--interval-ms 200] [--seed 0]

Keys are put in, deleted, pasted and taken back, and the cursor jumps, in real source files; with each key goes an
automatic request for ghost text. Now and then the user types on into what was offered. What comes back is checked:

* every request is answered exactly once;
* every offered text was made for the document as it stood when it was asked for;
* the server's document equals the typed one in the end.

Printed is the server's own time: for a key from its didChange to the answer of a request behind it, and for ghost text
from its request to the answer, without a debounce and with an engine that takes a millisecond.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from dg_lsp.files import read_document
from tests.e2e.lsp_session import LspSession, Message, ScriptedEngine, ScriptedEngines, position, short_folder
from tests.e2e.scripted_engine import middle_of

FIXTURES = Path(__file__).parents[2] / "fixtures"
FILES = [*sorted((FIXTURES / "sources").iterdir()), FIXTURES / "holes/09_rich_repr.py"]
OPTIONS = {"inline": {"debounce_ms": 0, "deadline_ms": 20_000}}
INSTANT = ("--steps", "1", "--step-ms", "0", "--name-the-place")

Edit = tuple[int, int, str]
"""A range of characters and the text in its place."""


class Typist:
    """Edits a text as a person does; `text` is the document after the last key."""

    def __init__(self, text: str, random: Random) -> None:
        self.text = text
        self.cursor = len(text) // 2
        self._random = random
        self._planned = ""
        self._done: list[tuple[int, str, str]] = []

    def key(self, offered: str) -> Edit | None:
        """The next edit; None when the cursor only moved. `offered` is the ghost text on the screen."""
        chance = self._random.random()
        if self._planned and chance < 0.93:
            character, self._planned = self._planned[0], self._planned[1:]
            return self._put(self.cursor, self.cursor, character)
        if chance < 0.15 and self.cursor:
            return self._put(self.cursor - 1, self.cursor, "")
        if chance < 0.25 and self._done:
            return self._take_back()
        if chance < 0.35 and offered:
            self._planned = offered
        elif chance < 0.45:
            lines = self.text.splitlines(keepends=True) or [""]
            first = self._random.randrange(len(lines))
            return self._put(self.cursor, self.cursor, "".join(lines[first : first + 3]))
        elif chance < 0.7:
            self._planned = "\n" + self._random.choice(self.text.splitlines() or [""])
        self.cursor = self._random.randrange(len(self.text) + 1) if chance >= 0.45 else self.cursor
        return None

    def _put(self, start: int, end: int, new: str) -> Edit:
        self._done.append((start, self.text[start:end], new))
        return self._replace(start, end, new)

    def _take_back(self) -> Edit:
        start, old, new = self._done.pop()
        self._planned = ""
        return self._replace(start, start + len(new), old)

    def _replace(self, start: int, end: int, new: str) -> Edit:
        self.text = self.text[:start] + new + self.text[end:]
        self.cursor = start + len(new)
        return start, end, new


@dataclass
class Report:
    """What was seen; times in seconds. `asked` holds each request's document, cursor and time."""

    asked: dict[int, tuple[str, int, float]] = field(default_factory=dict)
    keys: dict[int, float] = field(default_factory=dict)
    stale: list[str] = field(default_factory=list)
    unequal: list[str] = field(default_factory=list)
    offered: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    key_times: list[float] = field(default_factory=list)
    answer_times: list[float] = field(default_factory=list)


@dataclass
class Replay:
    """A session that is ready, its engine, and a person who types a key each `interval_s` on average."""

    session: LspSession
    engine: ScriptedEngine
    interval_s: float
    random: Random
    report: Report = field(default_factory=Report)

    def run(self, files: list[Path], keys: int) -> Report:
        """Type so many keys, in turns of as many in each file."""
        session, report = self.session, self.report
        for path in files:
            self._type_in(path, keys // len(files))
        came = dict(session.answered)
        report.answers = Counter(number for number, _ in session.answered if number in report.asked)
        report.key_times = sorted(came[number] - begun for number, begun in report.keys.items())
        report.answer_times = sorted(came[number] - asked[2] for number, asked in report.asked.items())
        return report

    def _type_in(self, path: Path, keys: int) -> None:
        document, session = read_document(path), self.session
        typist, waiting, shown = Typist(document.text, self.random), set[int](), ""
        session.open(document.uri, document.text, document.language_id)
        for version in range(2, keys + 2):
            before, begun = typist.text, time.perf_counter()
            if edit := typist.key(shown):
                where = {"start": place(before, edit[0]), "end": place(before, edit[1])}
                session.change(document.uri, version, {"range": where, "text": edit[2]})
            here = place(typist.text, typist.cursor)
            request = session.start_inline(document.uri, here["line"], here["character"])
            waiting.add(request)
            self.report.asked[request] = typist.text, typist.cursor, time.perf_counter()
            self.report.keys[session.send("replay/ping")] = begun
            time.sleep(max(self.random.expovariate(1 / self.interval_s) - (time.perf_counter() - begun), 0))
            came = {number: session.response(number) for number in session.responses() if number in waiting}
            texts = {number: self._offered(number, response) for number, response in came.items()}
            shown = texts.get(request, "")
            waiting -= came.keys()
        for number in waiting:
            self._offered(number, session.response(number))
        here = place(typist.text, typist.cursor)
        session.inline(document.uri, here["line"], here["character"], trigger=1)
        seen = (fill["request"] for fill in self.engine.seen())
        if not any(fill["prefix"] + fill["suffix"] == typist.text for fill in seen):
            self.report.unequal.append(path.name)

    def _offered(self, request: int, response: Message) -> str:
        """The text of an answer behind the cursor; it must be one for the document as it was asked for."""
        assert "error" not in response, response
        text, cursor, _ = self.report.asked[request]
        for item in response["result"] or ():
            self.report.offered += 1
            start, end = (offset(text, item["range"][edge]) for edge in ("start", "end"))
            if not start <= cursor <= end or not fits(text[:start], item["insertText"], text[end:]):
                self.report.stale.append(f"{item['insertText']!r} at {item['range']['start']}")
            return str(item["insertText"])[cursor - start :]
        return ""


def fits(prefix: str, item: str, suffix: str) -> bool:
    """Whether a text was made for this place, though filters may have cut it, or for one that was typed on from."""
    whole = prefix + item
    begun = len(whole) - len(middle_of("", ""))
    return item in middle_of(prefix, suffix) or whole[begun:] == middle_of(whole[:begun], suffix)


def place(text: str, offset: int) -> Message:
    """A position in UTF-16 units; the lines of the files end with "\\n"."""
    line_start = text.rfind("\n", 0, offset) + 1
    return position(text.count("\n", 0, offset), len(text[line_start:offset].encode("utf-16-le")) // 2)


def offset(text: str, position: Message) -> int:
    """The inverse of `place`."""
    lines = text.split("\n")
    units = lines[position["line"]].encode("utf-16-le")[: 2 * position["character"]]
    return sum(len(line) + 1 for line in lines[: position["line"]]) + len(units.decode("utf-16-le"))


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=2000)
    parser.add_argument("--interval-ms", type=float, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with short_folder() as folder:
        engines = ScriptedEngines(folder)
        engine, session = engines.start(*INSTANT), LspSession(folder)
        try:
            session.initialize(initializationOptions=OPTIONS)
            session.until_ready()
            person = Replay(session, engine, options.interval_ms / 1000, Random(options.seed))
            report = person.run(FILES, options.keys)
        finally:
            session.close()
            engines.end()
    twice = [number for number in report.asked if report.answers[number] != 1]
    print(f"requests {len(report.asked)}, not answered exactly once {len(twice)}, offered {report.offered}")
    print(f"stale {report.stale[:5] or 0}, documents that differ {report.unequal or 0}")
    for name, times in (("key", report.key_times), ("answer", report.answer_times)):
        figures = ", ".join(
            f"p{p} {times[min(len(times) * p // 100, len(times) - 1)] * 1e3:.1f} ms" for p in (50, 95, 99)
        )
        print(f"{name}: {figures}")


if __name__ == "__main__":
    main()
