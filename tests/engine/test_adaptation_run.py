"""`dg-engine train adapter` on a tiny network: what it writes, and what remains the same when it is cut into pieces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from engine.adaptation import held_out, run
from engine.cli import main
from engine.training.store import latest
from tests.engine import tiny_decoder

pytestmark = pytest.mark.usefixtures("one_thread")

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def measured_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "REPORT_EVERY", 2)
    monkeypatch.setattr(run, "MEASURE_EVERY", 3)
    monkeypatch.setattr(held_out, "EXAMPLES", 1)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_decoder.write(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for split, pattern in (("train", "engine/model/*.py"), ("held_out", "engine/diffusion/*.py")):
        rows = [{"language": "python", "text": path.read_text("utf-8")} for path in sorted(ROOT.glob(pattern))]
        rows += [{"language": "c", "text": "int main(void) { return 0; }\n" * 20}]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows if row["text"]))
    (folder / "vocabulary.json").write_text(json.dumps(list(range(256))))
    return folder


def train(model: Path, texts: Path, out: Path, *options: str) -> int:
    small = ("--rank", "4", "--block", "8", "--anchors", "4")
    folders = ("--model", str(model), "--corpus", str(texts), "--out", str(out))
    return main(["train", "adapter", *folders, *small, *options])


def logged(out: Path, name: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (out / name).read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "s_per_step"} for line in lines]


def test_a_run_writes_an_adapter_file_and_its_curves(model: Path, texts: Path, tmp_path: Path) -> None:
    assert train(model, texts, tmp_path, "--steps", "6") == 0
    with safe_open(tmp_path / "adapter.safetensors", "pt") as file:
        facts, names = file.metadata(), set(file.keys())
        assert file.get_tensor("layers.1.down.b").dtype == torch.bfloat16
    assert {key: facts[key] for key in ("rank", "block", "step")} == {"rank": "4", "block": "8", "step": "6"}
    assert int(facts["rows"]) > 50
    assert {"mask", "offsets", "layers.0.q.a", "layers.1.gate.b"} <= names
    assert [line["step"] for line in logged(tmp_path, "log.jsonl")] == [2, 4, 6]
    measured = logged(tmp_path, "held_out.jsonl")
    assert [line["step"] for line in measured] == [3, 6]
    assert set(measured[0]) == {"step", "rows", "c", "python", "all"}
    assert len(measured[0]["all"]["right"]) == 8
    assert measured[0]["all"]["tokens_a_pass"][0] >= 2


def test_a_run_cut_into_pieces_ends_with_the_same_bits(model: Path, texts: Path, tmp_path: Path) -> None:
    whole, pieces = tmp_path / "whole", tmp_path / "pieces"
    assert train(model, texts, whole, "--steps", "5") == 0
    while latest(pieces) is None or latest(pieces).name < "checkpoint-000000005":  # type: ignore[union-attr]
        train(model, texts, pieces, "--steps", "5", "--seconds", "0")
    for name in ("adapter-00", "average-00", "optimizer-00"):
        one, other = (load_file(latest(out) / f"{name}.safetensors") for out in (whole, pieces))  # type: ignore[operator]
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one)
    for log in ("log.jsonl", "held_out.jsonl"):
        assert logged(whole, log) == logged(pieces, log)


def test_training_lowers_the_loss(model: Path, texts: Path, tmp_path: Path) -> None:
    train(model, texts, tmp_path, "--steps", "60", "--lr", "0.01")
    losses = [line["author"][0] for line in logged(tmp_path, "log.jsonl")]
    assert sum(losses[-5:]) < sum(losses[:5]) - 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--rank", "2"), "was begun with --rank 4 --block 8"),
        (("--corpus", "nowhere"), "python -m engine.adaptation.corpus"),
    ],
)
def test_bad_input_is_one_line(
    model: Path, texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], message: str
) -> None:
    train(model, texts, tmp_path, "--steps", "1")
    capsys.readouterr()
    assert train(model, texts, tmp_path, "--steps", "2", *options) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
