"""What the filters are good for, measured on real fills, with all of them on and with each of them off.

    python tests/tools/measure_filters.py [--holes 300] [--answers var/filter_answers.jsonl]

fills holes of the held-out packages (docs/evaluation.md) with the shipped model, keeps the raw answers in a file, and
reads them from there the next time. It lies outside both packages, for it needs both. Of the texts shown it counts

* repeat: the last line stands below the hole already, at the same depth, or the end on the line behind it;
* syntax: the file parses with the hole empty or with a name in it, but not with the text (by Python itself, not by the
  gate's grammar);
* indentation: Python's parser then complains of the indentation in particular, or a tab came into a file without any;
* broken: the file does not parse with the text, be it that the hole had left it broken and the text did not mend it.

The right answer is never counted as a fault.
"""

from __future__ import annotations

import argparse
import ast
import json
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rich.progress import track

from dg_lsp.completion.filters import CUTS, GATES, Filter, Place, filtered
from dg_lsp.context.window import window
from dg_lsp.documents import Snapshot
from dg_lsp.syntax.holes import Hole
from engine import fill, load
from engine.evaluation.held_out import tasks
from engine.evaluation.tasks import Task, choose

KINDS = ("line", "whole-line", "lines", "arguments", "body")
ANSWERS = Path("var/filter_answers.jsonl")
FAULTS = ("repeat", "syntax", "indentation", "broken")


def place_of(task: Task) -> Place:
    """The hole in its file, without the right answer."""
    snapshot = Snapshot("file:///a.py", "python", 0, task.prefix + task.suffix)
    at = len(task.prefix)
    hole = Hole(kind="cursor", start=at, end=at, label="", single_line=task.one_line)
    around = window(snapshot, hole)
    return Place(snapshot, hole, around.prefix, around.suffix)


def answers(chosen: list[Task], path: Path) -> dict[str, str]:
    """The model's best text for each hole."""
    known: dict[str, str] = {}
    if path.is_file():
        known = {row["id"]: row["text"] for row in map(json.loads, path.read_text("utf-8").splitlines())}
    missing = [task for task in chosen if task.id not in known]
    if missing:
        model = load()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            for task in track(missing, "filling"):
                place = place_of(task)
                options = {"language": "python", "path": task.path, "single_line": task.one_line}
                known[task.id] = fill(model, place.prefix, place.suffix, max_tokens=task.max_tokens, **options).middle
                file.write(json.dumps({"id": task.id, "text": known[task.id]}) + "\n")
    return known


def faults(task: Task, text: str) -> Iterator[str]:
    """What is wrong with a text that is shown."""
    if text.rstrip() == task.middle.rstrip():
        return
    if repeats(task, text):
        yield "repeat"
    error = parse_error(task, text)
    in_order = any(parse_error(task, blank) is None for blank in ("", "x"))
    if error:
        yield "broken"
    if error and in_order:
        yield "syntax"
    wrong_tab = "\t" in text and "\t" not in task.prefix + task.suffix
    if wrong_tab or (in_order and isinstance(error, IndentationError)):
        yield "indentation"


def parse_error(task: Task, text: str) -> SyntaxError | None:
    """What Python's parser says of the file with a text in its hole."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(task.merged(text))
    except SyntaxError as error:
        return error
    return None


def repeats(task: Task, text: str) -> bool:
    """Whether the end of the text stands behind the hole as well; brackets alone are left to the parser."""
    rest, *below = task.suffix.split("\n")
    last = (task.prefix.rsplit("\n", 1)[-1] + text).rstrip().split("\n")[-1]
    if rest.strip():
        return len(rest.strip()) > 2 and any(map(str.isalpha, rest)) and last.endswith(rest.strip())
    following = next((line for line in below if line.strip()), "")
    return any(map(str.isalnum, last)) and last.rstrip() == following.rstrip()


def report(
    name: str, chosen: list[Task], said: dict[str, str], cuts: tuple[Filter, ...], gates: tuple[Filter, ...]
) -> None:
    """One line of the table."""
    found: Counter[str] = Counter()
    for task in chosen:
        text = filtered(said[task.id], place_of(task), cuts, gates).text
        exact = text.rstrip() == task.middle.rstrip()
        found.update({"shown": bool(text), "exact": exact, **dict.fromkeys(faults(task, text) if text else (), 1)})
    shares = "".join(f"{found[fault]:4} = {found[fault] / max(found['shown'], 1):6.1%}" for fault in FAULTS)
    print(f"{name:22}{found['shown']:6}{found['exact']:6}  {shares}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the filters on real fills.")
    parser.add_argument("--holes", type=int, default=300, help="of all kinds together; default: %(default)s")
    parser.add_argument("--answers", type=Path, default=ANSWERS, help="raw answers; default: %(default)s")
    options = parser.parse_args()
    listed, _ = tasks(None)
    kinds = [task for task in listed if task.kind in KINDS]
    chosen = choose(kinds, options.holes // len(KINDS), seed=0)
    said = answers(chosen, options.answers)
    print(f"{len(chosen)} holes: {', '.join(KINDS)}\n")
    print(f"{'':22}{'shown':>6}{'exact':>6}  " + "".join(f"{fault:>13}" for fault in FAULTS))
    report("none", chosen, said, (), ())
    report("all", chosen, said, CUTS, GATES)
    for off in (*CUTS, *GATES):
        cuts = tuple(cut for cut in CUTS if cut is not off)
        gates = tuple(gate for gate in GATES if gate is not off)
        report(f"without {off.apply.__name__}", chosen, said, cuts, gates)


if __name__ == "__main__":
    main()
