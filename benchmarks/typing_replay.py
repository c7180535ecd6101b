"""Natural typing: two real functions in each of four languages, with pauses at which ghost text may come.

    python -m benchmarks.typing_replay [--model NAME] [--pauses 75] [--json FILE]

The bodies of fixtures/typing are typed key by key to the real server with an engine of its own. At each pause, a fixed
list drawn by the seed, ghost text is asked for as an editor does unasked. Where the author goes on exactly as it says,
it is accepted and typing continues behind it; pauses inside what was accepted do not happen.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections.abc import Awaitable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.editor import Editor, editor
from benchmarks.typed_functions import TypedFunction, accepted, first_line_right, functions, pauses
from dg_lsp.client.local import EngineUnavailable
from dg_lsp.lsp_client import LspError

_COLUMNS = ("pauses", "shown", "right", "first line right", "keys saved", "ms")


@dataclass(frozen=True, slots=True)
class Pause:
    """One pause: what was shown (""), whether it was right, and the keys that it saved (one is spent on accepting)."""

    name: str
    language: str
    offset: int
    shown: str
    following: str
    right: bool
    first_line_right: bool
    keys_saved: int
    ms: float


@dataclass(frozen=True, slots=True)
class Replay:
    """One function, typed: its keys, and what came at its pauses."""

    language: str
    keys: int
    pauses: list[Pause]


async def replay(session: Editor, function: TypedFunction, stops: set[int], interval_s: float) -> Replay:
    """Type a function. After what is accepted, typing goes on with the next whole key."""
    document = session.open(function.name, function.before + function.after)
    start, typed, found = len(function.before), 0, list[Pause]()
    for end in _ends(function):
        if end <= typed:
            continue
        document.insert(start + typed, function.body[typed:end])
        typed = end
        await asyncio.sleep(interval_s)
        if typed in stops:
            pause = await _pause(document.suggestion(start + typed), function, typed)
            found.append(pause)
            if pause.right:
                text = accepted(pause.shown, function.body[typed:])
                document.insert(start + typed, text)
                typed += len(text)
    document.close()
    return Replay(function.language, len(function.keys), found)


async def _pause(asked: Awaitable[str], function: TypedFunction, offset: int) -> Pause:
    begun = time.monotonic()
    shown = await asked
    ms = 1000 * (time.monotonic() - begun)
    following = function.body[offset:]
    text = accepted(shown, following)
    saved = sum(offset < end <= offset + len(text) for end in _ends(function)) - 1 if text else 0
    first = first_line_right(shown, following)
    line = following[:80]
    return Pause(function.name, function.language, offset, shown, line, bool(text), first, saved, round(ms, 1))


def _ends(function: TypedFunction) -> list[int]:
    """The offset in the body behind each key."""
    ends, offset = [], 0
    for key in function.keys:
        offset += len(key)
        ends.append(offset)
    return ends


def table(replays: Sequence[Replay]) -> str:
    """The totals by language."""
    lines = [f"{'':12}" + "".join(f"{column:>18}" for column in _COLUMNS)]
    languages = list(dict.fromkeys(one.language for one in replays))
    for language in [*languages, "all"]:
        of_language = [one for one in replays if language in (one.language, "all")]
        lines.append(f"{language:12}" + "".join(f"{cell:>18}" for cell in _cells(of_language)))
    return "\n".join(lines)


def _cells(replays: Sequence[Replay]) -> list[str]:
    found = [pause for one in replays for pause in one.pauses]
    shown = [pause for pause in found if pause.shown]
    times = sorted(pause.ms for pause in found)
    return [
        str(len(found)),
        _share(len(shown), len(found)),
        _share(sum(pause.right for pause in shown), len(shown)),
        _share(sum(pause.first_line_right for pause in shown), len(shown)),
        _share(sum(pause.keys_saved for pause in found), sum(one.keys for one in replays)),
        f"{times[len(times) // 2]:.0f}" if times else "–",
    ]


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%} ({part}/{whole})" if whole else "–"


async def measure(
    model: str, chosen: list[TypedFunction], stops: dict[str, set[int]], interval_s: float, deadline_ms: int | None
) -> tuple[str, list[Replay]]:
    """The model's name and each function's replay; what is shown is printed as it comes."""
    replays = []
    async with editor(model, {} if deadline_ms is None else {"deadline_ms": deadline_ms}) as session:
        print(session.model, flush=True)
        for function in chosen:
            replays.append(await replay(session, function, stops[function.name], interval_s))
            for pause in replays[-1].pauses:
                if pause.shown:
                    verdict = "right" if pause.right else "wrong"
                    print(f"{verdict}  {pause.name}:{pause.offset}  {pause.shown!r}  author: {pause.following!r}")
        return session.model, replays


def main(argv: Sequence[str] | None = None) -> int:
    """Type, print, and write the file; the exit status: 0 whatever was shown, 2 for bad input, 3 without an engine."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.typing_replay", description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="", help="a folder or a downloaded model; default: what the server takes")
    parser.add_argument("--language", metavar="ID", help="only the functions of one language, such as go")
    parser.add_argument("--pauses", type=int, default=75, metavar="N", help="in each language; default: %(default)s")
    parser.add_argument("--interval-ms", type=float, default=30, metavar="N", help="between keys; default: %(default)s")
    parser.add_argument("--deadline-ms", type=int, metavar="N", help="of an answer; default: the server's own setting")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the pauses; default: %(default)s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every pause there, for machines")
    arguments = parser.parse_args(argv)
    chosen = [function for function in functions() if arguments.language in (None, function.language)]
    if not chosen:
        parser.error(f"there are no functions in {arguments.language!r}: name one of the languages of fixtures/typing")
    stops = pauses(chosen, arguments.pauses, arguments.seed)
    interval_s = arguments.interval_ms / 1000
    try:
        model, replays = asyncio.run(measure(arguments.model, chosen, stops, interval_s, arguments.deadline_ms))
    except (EngineUnavailable, LspError) as error:
        parser.exit(3, f"{error}\n")
    print(f"\n{table(replays)}\nload {os.getloadavg()[0]:.1f}; right and first line right: of those shown")
    if arguments.json:
        report = {"model": model, "seed": arguments.seed, "replays": [asdict(one) for one in replays]}
        try:
            arguments.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        except OSError as error:
            parser.exit(2, f"{arguments.json} cannot be written: {error.strerror}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
