"""`python -m tests.cases [ROW ...]`: run all rows, or those that begin so (2, 12c), and print what came."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.cases import code_rows, wire_rows
from tests.cases.case import Came, Case
from tests.cases.world import World, world


def main(rows: Sequence[str]) -> int:
    """Print the table; 1 when a case came out wrong."""
    every = sorted([*wire_rows.CASES, *code_rows.CASES], key=lambda case: _number(case.row))
    cases = [case for case in every if not rows or any(_belongs(case.row, row) for row in rows)]
    if not cases:
        print(f"no such row: {' '.join(rows)}; there are {', '.join(dict.fromkeys(case.row for case in every))}")
        return 2
    table = Table("row", "input", "what came", "")
    console = Console(width=None if sys.stdout.isatty() else 160)
    wrong = 0
    with world() as here, console.status("") as status:
        for case in cases:
            status.update(f"{case.row}: {case.input}")
            came = _tried(case, here)
            wrong += not came.right
            verdict = "right" if came.right else "[bold red]wrong"
            table.add_row(case.row, Text(case.input), Text(came.what), verdict)
    console.print(table)
    console.print(f"{len(cases) - wrong} of {len(cases)} right")
    return 1 if wrong else 0


def _tried(case: Case, here: World) -> Came:
    try:
        return case.run(here)
    except Exception as error:  # whatever happens is the answer
        return Came(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:200], False)


def _number(row: str) -> tuple[int, str]:
    digits = row.rstrip("abcdefgh")
    return int(digits), row


def _belongs(row: str, wanted: str) -> bool:
    return row == wanted or row.rstrip("abcdefgh") == wanted


sys.exit(main(sys.argv[1:]))
