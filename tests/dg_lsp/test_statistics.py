"""Statistics: counted by day and language, appended to one file by many, and never in the way."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from dg_lsp.cli import main
from dg_lsp.completion.acceptance import Outcome
from dg_lsp.statistics import Counts, Statistics, by_day, by_week, statistics_file

TODAY = "2026-11-20"
OUTCOMES = [
    Outcome("python", "full", 20),
    Outcome("python", "word", 4),
    Outcome("python", None, 0),
    Outcome("go", "line", 9),
]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the statistics of this user lie: nothing yet. It stays the same day, also at midnight."""

    class Day(date):
        @classmethod
        def today(cls) -> Day:
            return cls.fromisoformat(TODAY)

    monkeypatch.setattr("dg_lsp.statistics.date", Day)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data" / "dg-lsp" / "statistics.jsonl"


def counted(file: Path, outcomes: list[Outcome] = OUTCOMES) -> None:
    statistics = Statistics(file)
    for outcome in outcomes:
        statistics.add(outcome)
    statistics.close()


def test_outcomes_are_counted_by_day_and_language_in_a_file_for_the_user_alone(file: Path) -> None:
    counted(statistics_file())
    assert by_day(file) == {
        (TODAY, "go"): Counts(offered=1, line=1, characters=9),
        (TODAY, "python"): Counts(offered=3, full=1, word=1, characters=24),
    }
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_today_is_what_is_in_the_file_and_what_is_still_to_be_written(file: Path) -> None:
    counted(statistics_file())
    file.write_text(file.read_text() + '{"day": "2026-11-19", "language": "go", "offered": 5}\n')
    statistics = Statistics()
    statistics.add(OUTCOMES[0])
    today = statistics.today()
    assert (today.offered, today.accepted) == (5, 4)
    file.unlink()
    assert statistics.today().offered == 1


def test_nothing_is_written_for_nothing(file: Path) -> None:
    counted(file, [])
    assert not file.exists()
    assert by_day(file) == {}


def test_twenty_offers_are_saved_at_once(file: Path) -> None:
    statistics = Statistics(file)
    for _ in range(25):
        statistics.add(OUTCOMES[0])
    assert statistics._saving
    statistics._saving.join()
    assert by_day(file) == {(TODAY, "python"): Counts(offered=20, full=20, characters=400)}
    statistics.close()
    assert by_day(file)[TODAY, "python"].offered == 25


def test_many_processes_lose_nothing_of_each_other(file: Path) -> None:
    program = (
        "import sys, pathlib\n"
        "from dg_lsp.statistics import _append\n"
        'line = \'{"day": "2026-11-02", "language": "\' + sys.argv[2] * 50 + \'", "offered": 1}\'\n'
        "for _ in range(200): _append([line], pathlib.Path(sys.argv[1]))\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, str(file), name]) for name in "abc"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert {language[0]: counts.offered for (_, language), counts in by_day(file).items()} == dict.fromkeys("abc", 200)


def test_a_line_that_was_cut_costs_only_itself(file: Path) -> None:
    counted(file)
    with file.open("a") as end:
        end.write('{"day": "2026-11-02", "language": "py')
    counted(file)
    for nonsense in (
        "[]",
        "7",
        "{}",
        '{"day": "x", "language": "y"}',
        '{"day": "2026-11-02", "language": "y", "full": []}',
        '{"day": "2026-11-02", "language": "y", "full": 1e999}',
    ):
        with file.open("a") as end:
            end.write(nonsense + "\n")
    assert by_day(file)[TODAY, "python"] == Counts(offered=6, full=2, word=2, characters=48)
    assert len(by_day(file)) == 2


def test_a_place_that_cannot_be_written_to_loses_the_counts_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    counted(tmp_path / "file" / "statistics.jsonl")
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_loses_the_counts_and_nothing_else() -> None:
    counted(Path("/dev/full"))


def test_weeks_follow_the_calendar_also_over_the_end_of_a_year() -> None:
    days = {(day, "c"): Counts(offered=1) for day in ("2026-12-28", "2027-01-03", "2027-01-04")}
    assert {week: counts.offered for (week, _), counts in by_week(days).items()} == {"2026-W53": 2, "2027-W01": 1}


# dg-lsp stats


def test_the_table_has_a_row_for_each_week_and_language_and_a_sum(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counted(file)
    assert main(["stats"]) == 0
    header, *rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert header == ["week", "language", "offered", "accepted", "full", "line", "word", "characters", "saved"]
    week = "2026-W47"
    assert rows == [
        [week, "go", "1", "1", "(100%)", "0", "1", "0", "9"],
        [week, "python", "3", "2", "(67%)", "1", "0", "1", "24"],
        ["all", "4", "3", "(75%)", "1", "1", "1", "33"],
    ]


def test_json_for_machines(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"file": str(file), "weeks": []}
    counted(file, OUTCOMES[:1])
    assert main(["stats", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["weeks"]
    assert row.pop("week") == "2026-W47"
    assert row == {"language": "python", "offered": 1, "full": 1, "line": 0, "word": 0, "characters": 20}


def test_reset_deletes_them(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counted(file)
    assert main(["stats", "--reset"]) == 0
    assert not file.exists()
    assert main(["stats", "--reset"]) == 0
    assert capsys.readouterr().out == f"Statistics deleted: {file}\n" * 2
    assert main(["stats"]) == 1
    nothing = f"dg-lsp: nothing was offered yet, or dg.statistics is off (counted in {file})\n"
    assert capsys.readouterr().err == nothing


def test_a_file_that_cannot_be_read_is_one_line_on_stderr(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.mkdir(parents=True)
    assert main(["stats"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("dg-lsp: the statistics cannot be used: ")
    assert told.count("\n") == 1
