"""Training as a process: on a bare machine, cut off, out of room; and what it leaves behind."""

from __future__ import annotations

import json
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from engine import fill, load
from engine.training.export import exported
from engine.training.store import PIECE, TrainingError, facts_of, latest, read_group, save_checkpoint
from engine.training.train import main

pytestmark = pytest.mark.usefixtures("one_thread")

INFILL = ("--steps", "30", "--ema", "0.9", "--noise", "mask-uniform", "--causal-rows", "1")
ROOT = Path(__file__).parent.parent.parent
CPU = torch.device("cpu")
NOT_THERE = ("numpy", "tokenizers", "transformers", "rich", "pygls", "httpx", "huggingface_hub", "matplotlib")
BARE = f"""
import sys
for name in {NOT_THERE}:
    sys.modules[name] = None  # importing it fails
import torch
torch.set_num_threads(1)
from engine.training import run, train
run.REPORT_EVERY, run.HELD_OUT, run.SAVE_EVERY_S = 10, 1, 0
sys.exit(train.main(sys.argv[1:]))
"""


def command(stage: str, corpus: Path, out: Path, *options: str) -> list[str]:
    common = ("--corpus", str(corpus), "--out", str(out), "--device", "cpu", "--rows", "1", "--warmup", "5")
    return [sys.executable, "-W", "ignore", "-c", BARE, stage, *common, *options]


def start(stage: str, corpus: Path, out: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(stage, corpus, out, *options), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def curve(run: Path) -> list[dict[str, Any]]:
    """The log without its timings."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "s_per_step"} for line in lines]


def saved_step(run: Path) -> int:
    folder = latest(run)
    return int(folder.name.rpartition("-")[2]) if folder else 0


def wait_for_step(step: int, run: Path, process: subprocess.Popen[str]) -> None:
    while saved_step(run) < step:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)


def weights(run: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted((latest(run) or run).glob("*.safetensors")))


@pytest.fixture(scope="module")
def causal(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished causal run."""
    out = tmp_path_factory.mktemp("runs") / "causal"
    options = ["--corpus", str(corpus), "--out", str(out), "--device", "cpu", "--rows", "1", "--workers", "0"]
    assert main(["causal", *options, "--shape", "tiny", "--steps", "50", "--ema", "0.9"]) == 0
    return out


@pytest.fixture(scope="module")
def infill(corpus: Path, causal: Path) -> Path:
    """The infill run that goes on from it, made without any package but torch and safetensors."""
    out = causal.parent / "infill"
    process = start("infill", corpus, out, *INFILL, "--from", str(causal))
    _, err = process.communicate()
    assert process.returncode == 0, err
    return out


def test_losses_fall(causal: Path, infill: Path) -> None:
    (only,) = curve(causal)
    assert only["held_out_causal"][0] < only["causal"][0]
    first, *_, last = curve(infill)
    assert set(last) > {"denoise", "causal", "fim", "held_out_denoise"}
    assert last["denoise"][0] < first["denoise"][0]


def test_a_run_killed_at_random_steps_ends_as_one_that_was_not(corpus: Path, infill: Path) -> None:
    out = infill.parent / "killed"
    first = start("infill", corpus, out, *INFILL, "--from", str(infill.parent / "causal"))
    wait_for_step(random.randrange(2, 12), out, first)
    first.kill()
    first.communicate()
    assert saved_step(out) < 30

    second = start("infill", corpus, out, *INFILL)
    wait_for_step(saved_step(out) + 1, out, second)
    second.send_signal(signal.SIGTERM)  # an end in good order
    _, err = second.communicate()
    assert second.returncode == 1
    assert "run the same command again" in err

    third = start("infill", corpus, out, *INFILL)
    _, err = third.communicate()
    assert third.returncode == 0, err
    assert curve(out) == curve(infill)
    assert weights(out) == weights(infill)


def test_when_the_time_is_up_it_stops_and_says_how_to_go_on(corpus: Path, tmp_path: Path) -> None:
    options = ["--corpus", str(corpus), "--out", str(tmp_path), "--shape", "tiny", "--rows", "1", "--device", "cpu"]
    assert main(["causal", *options, "--workers", "0", "--seconds", "0"]) == 1
    assert facts_of(tmp_path)["step"] == 1


def test_a_run_starts_from_a_model_folder_as_from_the_run_it_came_from(
    corpus: Path, infill: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model"
    assert main(["export", "--out", str(infill), "--to", str(model)]) == 0
    facts, weights = exported(model)
    assert facts.items() < facts_of(infill).items()
    averaged = read_group(infill, "ema" if "ema" in facts_of(infill)["tensors"] else "network", torch.device("cpu"))
    assert all(torch.equal(weights[name], tensor.bfloat16().float()) for name, tensor in averaged.items())

    options = ["--corpus", str(corpus), "--device", "cpu", "--rows", "1", "--workers", "0", "--steps", "1"]
    assert main(["infill", *options, "--from", str(model), "--out", str(tmp_path / "on")]) == 0
    assert facts_of(tmp_path / "on")["shape"] == "tiny"

    config = json.loads((model / "config.json").read_text())
    config["text_config"]["hidden_size"] = 48
    (model / "config.json").write_text(json.dumps(config))
    capsys.readouterr()
    assert main(["infill", *options, "--from", str(model), "--out", str(tmp_path / "not")]) == 2
    assert f"{model} has none of the shapes tiny, " in capsys.readouterr().err


def test_the_exported_folder_is_a_model_that_fills(infill: Path, tmp_path: Path) -> None:
    assert main(["export", "--out", str(infill), "--to", str(tmp_path)]) == 0
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["infill"]["noise"] == "uniform"
    assert config["infill"]["fim_token_ids"] == [5, 6]
    assert fill(load(tmp_path, device="cpu"), "x = ", max_steps=2).finish_reason


def test_averaged_weights_are_exported_where_there_are_some(causal: Path, tmp_path: Path) -> None:
    assert main(["export", "--out", str(causal), "--to", str(tmp_path)]) == 0
    exported = load(tmp_path, device="cpu").network.embed_tokens.weight
    averaged, last = (read_group(causal, group, CPU)["embed_tokens.weight"] for group in ("ema", "network"))
    assert torch.equal(exported, averaged.bfloat16().float())
    assert not torch.equal(averaged, last)


@contextmanager
def no_room(limit: int) -> Iterator[None]:
    """Writing files longer than this fails in this process, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_checkpoint_is_cut_into_small_files_and_comes_back_whole(tmp_path: Path) -> None:
    big = torch.arange(2.5 * PIECE).view(5, -1)
    save_checkpoint(tmp_path, 7, {"network": {"big": big, "one": torch.tensor(3)}, "sums": {}}, {"shape": "tiny"})
    files = list((tmp_path / "checkpoint-000000007").glob("network-*.safetensors"))
    assert len(files) == 2
    assert max(path.stat().st_size for path in files) < 16 * 2**20
    back = read_group(tmp_path, "network", CPU)
    assert torch.equal(back["big"], big)
    assert torch.equal(back["one"], torch.tensor(3))
    files[0].unlink()
    with pytest.raises(TrainingError, match="is not whole"):
        read_group(tmp_path, "network", CPU)


def test_without_room_the_checkpoint_before_stays(tmp_path: Path) -> None:
    tensors = {"network": {"a": torch.zeros(100_000)}}
    save_checkpoint(tmp_path, 1, tensors, {})
    with no_room(50_000), pytest.raises(TrainingError, match=r"cannot be written: .*; checkpoint-000000001 stays"):
        save_checkpoint(tmp_path, 2, tensors, {})
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-000000001"]
    assert facts_of(tmp_path)["step"] == 1


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--shape", "huge"), "there is no shape 'huge': name one of tiny"),
        (("--from", "nowhere"), "nowhere holds no checkpoint: train first"),
        (("--corpus", "nowhere"), "nowhere has no train_*.safetensors: build the corpus first"),
        (("--device", "cuda"), "no CUDA device is visible to torch"),
    ],
)
def test_what_is_wrong_is_one_line(
    options: tuple[str, ...], complaint: str, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if options == ("--device", "cuda") and torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    assert main(["causal", "--corpus", str(corpus), "--out", str(tmp_path), *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"train: {complaint}")
