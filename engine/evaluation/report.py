"""The report of an evaluation: report.json for machines, report.md for people, plots where matplotlib is installed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from engine.evaluation import metrics, plots
from engine.evaluation.metrics import Summary
from engine.evaluation.scoring import WHOLE, Record
from engine.evaluation.tasks import SETS

SAMPLES = 30


def write(out: Path, records: Sequence[Record], run: dict[str, Any]) -> str:
    """Write the report on these records into a folder; what it says in short, for a terminal."""
    of_sets = {name: [record for record in records if record.set == name] for name in SETS}
    sets = {name: metrics.of_set(found) for name, found in of_sets.items() if found}
    summary = {"run": run, "done": len(records), "of": sum(run["sets"].values()), "sets": sets}
    (out / "report.json").write_text(json.dumps(summary, indent=1) + "\n", "utf-8")
    pictures = {name: plots.draw(out, name, found) for name, found in sets.items()}
    text = "\n\n".join([*_head(summary), *(_set(name, sets[name], pictures[name]) for name in sets)])
    (out / "report.md").write_text(f"{text}\n\n{_samples(records)}\n", "utf-8")
    short = [_main_table(name, found) for name, found in sets.items()]
    return "\n\n".join([*short, f"{summary['done']} of {summary['of']} tasks; the whole report: {out / 'report.md'}"])


def _head(summary: Summary) -> list[str]:
    run = summary["run"]
    state = "" if summary["done"] == summary["of"] else " **The run is not finished: these are the tasks done so far.**"
    system = "\n".join(f"| {name} | {value} |" for name, value in run["system"].items())
    limit = run["limit for each kind"]
    drawn = "all tasks" if limit is None else f"at most {limit} tasks of each kind, drawn"
    lines = [
        "# Evaluation",
        f"{summary['done']} of {summary['of']} tasks ({drawn} with seed {run['seed']}).{state}",
        f"| system | |\n|---|---|\n{system}",
        f"* machine that asked: {_plain(run['machine'])}\n"
        f"* truncation rule: {run['rules']['truncation']}\n"
        f"* {run['rules']['n-gram']}\n"
        f"* {run['rules']['greedy']}\n"
        "* Abstentions (nothing offered) count as failures. The reference answer itself scores 100 in every column, "
        "the row `empty middle` is the floor.\n"
        "* ± is one standard error (binomial for shares); answers of the same file or problem are not independent, "
        "so the true one is larger. One run of the system per task.\n"
        "* `similarity`: difflib's ratio. `parses`: the merged file parses, counted where the original does. "
        "`repeats suffix`: the answer writes the suffix's first line again.",
    ]
    if run["files left out"]:
        lines.append(f"**Left out**, for these files are missing or changed: {', '.join(run['files left out'])}.")
    return lines


def _set(name: str, found: Summary, pictures: list[str]) -> str:
    parts = [
        f"## {name}",
        f"{found['tasks']} tasks, {_percent(found['blank suffix'])} % of them with a blank suffix; "
        f"abstained {_percent(found['abstained'])} %; {found['candidates']['mean']:.1f} candidates on average; "
        f"{_steps(found)}"
        f"{found['ms']['p50']:.0f} ms in the median, {found['ms']['p95']:.0f} ms at the 95th percentile, "
        "nothing known before; the answer was " + ", ".join(f"{s} {n}" for s, n in found["chosen"].items()) + ".",
        _main_table(name, found),
    ]
    groups = [name for name in ("by kind", "by suffix", "by length of the answer") if len(found[name]) > 1]
    parts += [f"{_measure(found)} % {group}:\n\n{_group_table(found[group])}" for group in groups]
    parts.append(_confidence(found))
    missing = "No plots: run pip install 'dg-lsp[evaluate]', then the same command again."
    parts.append("\n".join(f"![{picture}]({picture})" for picture in pictures) or missing)
    return "\n\n".join(parts)


def _main_table(name: str, found: Summary) -> str:
    """All rows and measures of one set."""
    ran = _measure(found) == "passed"
    measures = [*(["passed"] if ran else []), "exact", "parses", "repeats suffix"]
    titles = ["pass@1" if measure == "passed" else measure for measure in measures]
    head = [f"{name}, % of {found['tasks']}", *titles, "similarity"]
    rows = []
    for row, scores in found["rows"].items():
        cells = [_cell(scores[measure]) for measure in measures]
        rows.append([_strong(row), *cells, f"{100 * scores['similarity']['mean']:.1f}"])
    return _table(head, rows)


def _group_table(groups: dict[str, dict[str, Summary]]) -> str:
    """What is right of each row in each group."""
    measure = "passed" if any(row["passed"]["n"] for rows in groups.values() for row in rows.values()) else "exact"
    head = ["", *(f"{name} ({next(iter(rows.values()))['exact']['n']})" for name, rows in groups.items())]
    names = next(iter(groups.values()))
    return _table(head, [[_strong(row), *(_cell(rows[row][measure]) for rows in groups.values())] for row in names])


def _measure(found: Summary) -> str:
    return "passed" if found["rows"][WHOLE]["passed"]["n"] else "exact"


def _confidence(found: Summary) -> str:
    """What the confidences are good for."""
    reliability = found["reliability"]
    if reliability is None:
        return "The system gives no confidence: characters saved and reliability are not known."
    rows = [
        [f"{100 * s['false rate']:.0f} %", _number(s["threshold"], 3), *(f"{100 * s[k]:.1f}" for k in _SAVED)]
        for s in found["saved"]
    ]
    bins = [
        [f"{b['from']:.1f}–{b['from'] + 1 / metrics.BINS:.1f}", str(b["n"]), *(f"{b[k]:.2f}" for k in _BIN)]
        for b in reliability["bins"]
    ]
    error = reliability["expected calibration error"]
    return "\n\n".join(
        [
            "Shown only from a confidence on (chosen on these very tasks, which flatters a little):",
            _table(["wrong among the shown, at most", "threshold", "tasks answered %", "characters saved %"], rows),
            f"Confidence against the share right; expected calibration error {error:.3f}:",
            _table(["confidence", "tasks", "mean confidence", "right"], bins),
        ]
    )


_SAVED, _BIN = ("answered", "characters"), ("confidence", "right")


def _samples(records: Sequence[Record]) -> str:
    """The first records in the order of the run, which is a drawn one: not selected."""
    parts = [f"## The first {min(SAMPLES, len(records))} tasks, not selected"]
    for record in records[:SAMPLES]:
        score = record.rows[WHOLE]
        verdict = "right" if score.right else "wrong"
        confidence = "" if record.confidence is None else f", confidence {record.confidence:.2f}"
        parts.append(
            f"**{record.id}** – {verdict} ({record.source or 'nothing offered'}{confidence})\n\n"
            + _fenced(f"{record.before}⟦{score.middle}⟧{record.behind}")
            + ("" if score.exact else f"\n\nreference:\n\n{_fenced(record.reference)}")
        )
    return "\n\n".join(parts)


def _fenced(text: str) -> str:
    fence = "~~~"
    while fence in text:
        fence += "~"
    return f"{fence}python\n{text.rstrip()}\n{fence}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, aligned so that it reads in a terminal too."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    cells = [
        [line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))] for line in lines
    ]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(f"| {' | '.join(line)} |" for line in [cells[0], rule, *cells[1:]])


def _strong(row: str) -> str:
    return f"**{row}**" if row == WHOLE else row


def _cell(value: Summary) -> str:
    return "–" if not value["n"] else f"{100 * value['share']:.1f} ± {100 * value['error']:.1f}"


def _percent(value: Summary) -> str:
    return _number(None if value["share"] is None else 100 * value["share"], 1)


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _steps(found: Summary) -> str:
    return f"{found['steps']['mean']:.1f} denoising steps on average; " if found["steps"] else ""


def _plain(machine: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return f"{machine['cpu']}, {machine['cpus']} CPUs, {machine['system']}; {versions}"
