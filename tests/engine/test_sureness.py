"""A decoder-only model's profile, fitted on what it says at natural pauses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine import load
from engine.evaluation import pauses, recent
from engine.evaluation.pauses import Outcome, Pause, Said, is_natural
from engine.infill.calibration import KINDS, Sureness
from engine.training import calibrate
from engine.training.sureness import fit, longest, table
from tests.engine import tiny_decoder

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """This project's own code in the place of the packages for calibration."""
    files = sorted((ROOT / "engine" / "infill").glob("*.py"))[1:]
    rows = [
        {"language": language, "package": "own", "path": path.name, "text": path.read_text("utf-8")}
        for language in ("python", "go")
        for path in files
    ]
    (tmp_path / recent.FILES).write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return tmp_path


def test_a_pause_is_behind_a_word_or_an_opening_and_what_follows_is_the_authors(folder: Path) -> None:
    asked = pauses.pauses(folder, 40)
    assert [pause.request.language for pause in asked] == ["python"] * 40 + ["go"] * 40
    assert len({pause.id for pause in asked}) > 60
    for pause in asked:
        request, text = pause.request, (ROOT / "engine" / "infill" / pause.request.path).read_text("utf-8")
        assert text == request.prefix + pause.following
        assert request.single_line == bool(request.prefix.rsplit("\n", 1)[-1].strip())
        assert not request.single_line or is_natural(request.prefix[-1], pause.following[0])
        behind = request.suffix.lstrip(")]}")
        assert not behind.strip() or text.endswith(behind)


def test_the_same_pauses_are_drawn_each_time(folder: Path) -> None:
    assert pauses.pauses(folder, 10) == pauses.pauses(folder, 10)


def test_right_is_how_the_author_went_on() -> None:
    pause = Pause("", pauses.FillRequest(prefix="x = ", suffix="\n", single_line=True), "f(a)\ny = 2\n")
    assert [pause.is_right(text) for text in ("f", "f(a)", "f(a)\ny", "f(b)")] == [True, True, True, False]


def test_a_decoder_gets_a_profile_and_a_stopped_run_goes_on(folder: Path, capsys, monkeypatch) -> None:
    model = tiny_decoder.write(folder / "tiny")
    command = [str(model), "--files", str(folder), "--holes", "6", "--to", str(folder / "profile.json")]
    calibrate.main(command)
    profile = json.loads((folder / "profile.json").read_text("utf-8"))
    assert profile["sureness"]["bias"].keys() == set(KINDS)
    assert "| all | 12 |" in capsys.readouterr().out
    record = folder / "tiny.pauses.jsonl"
    lines = record.read_text("utf-8").splitlines(keepends=True)
    record.write_text("".join(lines[:-1]) + lines[-1][:20], "utf-8")  # stopped while it wrote
    asked = []
    outcome = pauses.outcome
    monkeypatch.setattr(pauses, "outcome", lambda model, pause: asked.append(pause) or outcome(model, pause))
    calibrate.main([*command[:-2]])
    assert len(asked) == 1
    assert record.read_text("utf-8").splitlines(keepends=True) == lines
    assert load(model, device="cpu").shape.sureness == Sureness(**profile["sureness"])


def test_no_package_for_calibration_is_one_of_those_that_test() -> None:
    tested = {package.name for package in recent.packages()}
    assert not tested & {package.name for package in recent.packages(pauses.PACKAGES)}


def outcomes(chance: float, right: int, wrong: int, kind: str = "tail") -> list[Outcome]:
    return [Outcome(kind, (Said("some text", chance, i < right),)) for i in range(right + wrong)]


def test_a_model_whose_chances_are_true_is_believed_as_it_is() -> None:
    fitted = fit([*outcomes(0.9, 90, 10), *outcomes(0.5, 50, 50), *outcomes(0.2, 20, 80)])
    assert fitted.confidence(0.9, "tail") == pytest.approx(0.9, abs=0.02)
    assert fitted.confidence(0.2, "tail") == pytest.approx(0.2, abs=0.02)


def test_a_boastful_model_is_believed_less() -> None:
    fitted = fit([*outcomes(0.9, 60, 40), *outcomes(0.5, 20, 80)])
    assert fitted.confidence(0.9, "tail") == pytest.approx(0.6, abs=0.03)


def test_the_threshold_lets_through_what_is_right_three_times_in_four() -> None:
    found = [*outcomes(0.9, 95, 5), *outcomes(0.6, 60, 40), *outcomes(0.3, 30, 70)]
    shown = [one for outcome in found if (one := longest(fit(found), outcome))]
    assert len(shown) == 200
    assert "| **tail** | 300 | 67% | 78% (155 of 200) | 4.7 |" in table(fit(found), found)


def test_where_nothing_is_right_often_enough_nothing_is_shown() -> None:
    found = outcomes(0.9, 20, 80)
    assert [longest(fit(found), outcome) for outcome in found] == [None] * 100
    assert "| **block** | 0 | – | – | – |" in table(fit(found), found)


def test_the_longest_text_that_is_sure_enough_is_shown_and_none_of_one_character() -> None:
    said = (Said("a", 0.9, True), Said("ab.cd", 0.8, True), Said("ab.cd(e)", 0.4, False))
    sure = Sureness(threshold=0.6)
    assert longest(sure, Outcome("tail", said)) == said[1]
    assert longest(sure, Outcome("tail", said[:1])) is None
