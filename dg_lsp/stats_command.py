"""`dg-lsp stats`: what was offered and accepted, by week and language."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from dg_lsp.statistics import Counts, Rows, by_day, by_week, statistics_file

_NOTHING, _BAD_INPUT = 1, 2
_COLUMNS = ("offered", "accepted", "full", "line", "word", "characters saved")


def run(*, as_json: bool, reset: bool) -> int:
    """Print the statistics, or delete them. Returns the exit status: 1 without any, 2 when the file cannot be used."""
    try:
        file = statistics_file()
        if reset:
            file.unlink(missing_ok=True)
            print(f"Statistics deleted: {file}")
            return 0
        weeks = by_week(by_day(file))
    except (OSError, RuntimeError) as error:
        print(f"dg-lsp: the statistics cannot be used: {error}", file=sys.stderr)
        return _BAD_INPUT
    if as_json:
        rows = [{"week": week, "language": language, **asdict(counts)} for (week, language), counts in weeks.items()]
        print(json.dumps({"file": str(file), "weeks": rows}))
    elif weeks:
        Console(highlight=False).print(_table(weeks))
    else:
        print(f"dg-lsp: nothing was offered yet, or dg.statistics is off (counted in {file})", file=sys.stderr)
        return _NOTHING
    return 0


def _table(weeks: Rows) -> Table:
    table = Table("week", "language", box=None, pad_edge=False, header_style="bold")
    for column in _COLUMNS:
        table.add_column(column, justify="right")
    total = Counts()
    for (week, language), counts in weeks.items():
        table.add_row(week, language, *_cells(counts))
        total.add(counts)
    table.add_row("all", "", *_cells(total), style="bold")
    return table


def _cells(counts: Counts) -> tuple[str, ...]:
    accepted = f"{counts.accepted} ({counts.accepted / (counts.offered or 1):.0%})"
    numbers = (counts.full, counts.line, counts.word, counts.characters)
    return (f"{counts.offered:,}", accepted, *(f"{number:,}" for number in numbers))
