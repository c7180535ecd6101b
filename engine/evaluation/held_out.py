"""Holes in packages that the shipped model was never trained on, the same ones for everybody.

    python -m engine.evaluation.held_out var/corpus/held_out_files.jsonl --to engine/evaluation/held_out_holes.jsonl

drew the list of holes beside this file: one file a line, {"package", "path", "sha256", "holes": [[kind, start, end]]},
in characters. It is to stay as it is, also under another tokenizer, as long as the held-out packages do not change;
their texts come from `make corpus`.
"""

from __future__ import annotations

import argparse
import ast
import bisect
import hashlib
import json
import random
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

from rich.progress import track

from engine.evaluation.tasks import HELD_OUT, ONE_LINE, EvaluationError, Task, tokens

HOLES = Path(__file__).with_name("held_out_holes.jsonl")
CORPUS = Path("var/corpus")  # where `make corpus` puts the texts
FILES = "held_out_files.jsonl"
SEED = 0
_Span = tuple[int, int]


@dataclass(frozen=True)
class SourceFile:
    """One file of a held-out package."""

    package: str
    path: str
    text: str
    language: str = "python"

    @property
    def name(self) -> str:
        return f"{self.package}/{self.path}"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @cached_property
    def lines(self) -> list[_Span]:
        """Each line's code: from behind its indentation to before its newline."""
        lines = self.text.split("\n")
        places = zip(self._line_starts, lines, strict=False)  # one start more than lines
        return [(start + len(line) - len(line.lstrip()), start + len(line)) for start, line in places]

    @cached_property
    def arguments(self) -> list[_Span]:
        """What stands between the parentheses of each call that has arguments."""
        calls = (node for node in self._nodes if isinstance(node, ast.Call) and (node.args or node.keywords))
        spans = [(self.text.find("(", self._end(call.func)) + 1, self._end(call) - 1) for call in calls]
        return [(start, end) for start, end in spans if self.text[end : end + 1] == ")" and 0 < start < end]

    @cached_property
    def bodies(self) -> list[_Span]:
        """Each function's statements behind its docstring."""
        spans = []
        for node in self._nodes:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
                if body and body[0].lineno > node.lineno and not getattr(body[0], "decorator_list", None):
                    spans.append((self._offset(body[0].lineno, body[0].col_offset), self._end(body[-1])))
        return spans

    @cached_property
    def _nodes(self) -> list[Any]:
        """All nodes but those inside f-strings, whose places differ between Python versions."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            waiting: list[ast.AST] = [ast.parse(self.text)]
        found = []
        while waiting:
            node = waiting.pop(0)
            found.append(node)
            waiting += [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.JoinedStr)]
        return found

    def _end(self, node: Any) -> int:
        return self._offset(node.end_lineno, node.end_col_offset)

    def _offset(self, line: int, column: int) -> int:
        """The character at a line (from 1) and a column in UTF-8 bytes, as `ast` counts."""
        start = self._line_starts[line - 1]
        return start + len(self.text[start:].split("\n", 1)[0].encode()[:column].decode())

    @cached_property
    def _line_starts(self) -> list[int]:
        return list(accumulate((len(line) + 1 for line in self.text.split("\n")), initial=0))


def _rest_of_line(file: SourceFile, draw: random.Random) -> _Span | None:
    cursor = draw.randrange(len(file.text))
    start, end = _line_at(file, cursor)
    return (cursor, end) if start <= cursor < end and end - start >= 3 else None


def _span(file: SourceFile, draw: random.Random) -> _Span | None:
    rest = _rest_of_line(file, draw)
    return rest and (rest[0], draw.randint(rest[0] + 1, rest[1]))


def _whole_line(file: SourceFile, draw: random.Random) -> _Span | None:
    start, end = draw.choice(file.lines)
    return (start, end) if end - start >= 3 else None


def _several_lines(file: SourceFile, draw: random.Random) -> _Span | None:
    first = draw.randrange(len(file.lines))
    last = first + draw.randint(1, 7)
    return (file.lines[first][0], file.lines[last][1]) if last < len(file.lines) else None


def _random_span(file: SourceFile, draw: random.Random) -> _Span | None:
    start = draw.randrange(len(file.text))
    return start, start + draw.randint(1, 200)


def _line_at(file: SourceFile, cursor: int) -> _Span:
    """The code of the cursor's line."""
    return file.lines[bisect.bisect_left(file.lines, cursor, key=lambda line: line[1])]


# kind: how many holes, tokens of an answer at most, how one is drawn (None: try again)
KINDS: dict[str, tuple[int, int, Callable[[SourceFile, random.Random], _Span | None]]] = {
    "line": (300, 16, _rest_of_line),
    "span": (300, 16, _span),
    "whole-line": (120, 64, _whole_line),
    "lines": (120, 64, _several_lines),
    "arguments": (120, 64, lambda file, draw: draw.choice(file.arguments or [(0, 0)])),
    "body": (120, 64, lambda file, draw: draw.choice(file.bodies or [(0, 0)])),
    "random": (120, 64, _random_span),
}


def holes(kind: str, files: list[SourceFile], count: int, seed: int = SEED) -> Iterator[tuple[SourceFile, _Span]]:
    """`count` different holes of a kind, the same for the same files and seed. Raises `EvaluationError`."""
    _, most_tokens, draw_one = KINDS[kind]
    draw = random.Random(f"{seed} {kind}")
    seen: set[tuple[str, _Span]] = set()
    for _ in range(1000 * count):
        if len(seen) == count:
            return
        file = draw.choice(files)
        span = draw_one(file, draw)
        if span is None or (file.name, span) in seen:
            continue
        if span[1] <= len(file.text) and _fits(kind, file.text[span[0] : span[1]], most_tokens):
            seen.add((file.name, span))
            yield file, span
    raise EvaluationError(f"these files have too few holes of the kind {kind}")


def _fits(kind: str, answer: str, most_tokens: int) -> bool:
    """Whether a drawn text is one that the kind asks for."""
    if not answer.strip() or (kind in ONE_LINE and "\n" in answer):
        return False
    if kind == "lines" and not (answer.split("\n")[0].strip() and answer.split("\n")[-1].strip()):
        return False
    return len(tokens().encode(answer)) <= most_tokens


def tasks(data: Path | None) -> tuple[list[Task], list[str]]:
    """The tasks of the list, and the files that are missing or changed, so that theirs are left out.

    The texts are looked for in the folder `data`, then where `make corpus` puts them; a list of holes that lies
    beside them goes before the committed one. Raises `EvaluationError` without the texts.
    """
    folder = next((place for place in (data, CORPUS) if place and (place / FILES).is_file()), None)
    if folder is None:
        raise EvaluationError(f"{CORPUS / FILES} is not here: run make corpus, or name the folder of {FILES} by --data")
    own = folder / HOLES.name
    return tasks_of(HELD_OUT, read(folder / FILES), own if own.is_file() else HOLES)


def tasks_of(
    name: str, files: Iterable[SourceFile], listed: Path, language: str = "python"
) -> tuple[list[Task], list[str]]:
    """The tasks of a set: a list's holes in files of a language; and the files that are missing or changed."""
    known = {file.name: file for file in files}
    found, left_out = list[Task](), list[str]()
    for line in listed.read_text("utf-8").splitlines():
        row = json.loads(line)
        if row.get("language", "python") != language:
            continue
        file = known.get(f"{row['package']}/{row['path']}")
        if file is None or file.sha256 != row["sha256"]:
            left_out.append(f"{row['package']}/{row['path']}")
            continue
        found += [task(file, kind, start, end, name) for kind, start, end in row["holes"]]
    return found, left_out


def task(file: SourceFile, kind: str, start: int, end: int, set_: str = HELD_OUT) -> Task:
    """The hole at these characters of a file, as a task."""
    text, name = file.text, f"{set_}/{file.name}:{start}-{end}:{kind}"
    return Task(name, set_, kind, text[:start], text[start:end], text[end:], file.path, language=file.language)


def read(path: Path) -> list[SourceFile]:
    """The files that `make corpus` wrote. Raises `EvaluationError`."""
    try:
        rows = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
        return [SourceFile(row["package"], row["path"], row["text"]) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvaluationError(f"{path} cannot be read: {type(error).__name__} {error}") from None


def listing(drawn: Iterable[tuple[str, SourceFile, _Span]]) -> str:
    """The list of holes as it is committed."""
    rows: dict[str, dict[str, Any]] = {}
    for kind, file, span in drawn:
        new = {"package": file.package, "path": file.path, "sha256": file.sha256, "holes": []}
        if file.language != "python":
            new["language"] = file.language
        rows.setdefault(file.name, new)["holes"].append([kind, *span])
    return "".join(json.dumps(rows[name], separators=(",", ":")) + "\n" for name in sorted(rows))


def main(argv: list[str] | None = None) -> None:
    """Draw a list of holes."""
    parser = argparse.ArgumentParser(prog="python -m engine.evaluation.held_out", description="Draw a list of holes.")
    parser.add_argument("files", type=Path, help="JSON lines with package, path and text, as `make corpus` writes them")
    parser.add_argument("--to", type=Path, required=True, help=f"the list; {HOLES.name} beside the files is used first")
    parser.add_argument("--limit", type=int, metavar="N", help="holes of each kind at most; default: 300 and 120")
    arguments = parser.parse_args(argv)
    try:
        files = read(arguments.files)
        drawn = []
        for kind, (count, *_) in track(KINDS.items(), "drawing holes", transient=True):
            drawn += [(kind, *hole) for hole in holes(kind, files, min(count, arguments.limit or count))]
        arguments.to.write_text(listing(drawn), "utf-8")
    except EvaluationError as error:
        parser.exit(2, f"{error}\n")
    except OSError as error:
        parser.exit(2, f"{arguments.to} cannot be written: {error.strerror}\n")
    print(f"{len(drawn)} holes in {len(files)} files: {arguments.to}")


if __name__ == "__main__":
    main()
