"""`dg-engine train finetune`: what it reads, what it changes, what it leaves behind."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from engine import fill, load
from engine.cli import main
from engine.model.config import ModelConfig
from engine.model.diffusion_gemma import DiffusionGemma
from engine.training import finetune, repository
from engine.training.bpe import DEFAULT_PATH, Bpe
from engine.training.finetune import FineTuning
from engine.training.lora import LowRank, adapt, merge
from engine.training.shape import GENERATION, SHAPES, config, new_network
from engine.weights.checkpoint import CheckpointError, save_network

pytestmark = pytest.mark.usefixtures("one_thread")

ROOT = Path(__file__).parent.parent.parent
FILES = {
    "config.json", "generation_config.json", "model.safetensors", "repository.npy", "tokenizer.json", "SHA256SUMS",
}  # fmt: skip
EXPERTS: dict[str, Any] = {
    "model_type": "diffusion_gemma",
    "text_config": {
        "vocab_size": 8192, "hidden_size": 32, "intermediate_size": 16, "moe_intermediate_size": 8,
        "num_experts": 8, "top_k_experts": 2, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 1, "head_dim": 16, "global_head_dim": 32, "sliding_window": 32,
        "max_position_embeddings": 4096,
    },
}  # fmt: skip


@pytest.fixture(autouse=True)
def few_held_out_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finetune, "HELD_OUT", 1)
    monkeypatch.setattr(repository, "HOLES", 10)


@pytest.fixture
def ten_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the time were up after ten steps."""
    step = FineTuning._step

    def counted(tuning: FineTuning, share: float) -> None:
        step(tuning, share=0.1)
        tuning.stopping = tuning.steps == 10

    monkeypatch.setattr(FineTuning, "_step", counted)


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository: part of this project's own code."""
    folder = tmp_path_factory.mktemp("repository")
    for name in ("diffusion", "infill", "model", "weights"):
        shutil.copytree(ROOT / "engine" / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def checkpoint(network: DiffusionGemma, settings: dict[str, Any], folder: Path) -> Path:
    save_network(network, folder, settings, torch.bfloat16)
    (folder / "generation_config.json").write_text(json.dumps(GENERATION))
    shutil.copyfile(DEFAULT_PATH, folder / "tokenizer.json")
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint like the shipped one, only tiny and random."""
    shape = SHAPES["tiny"]
    settings = config(shape, "mask", fim=True)
    settings["infill"]["ngram_trust"] = {"bias": -2.0, "slope": 0.5, "full_order_bias": -1.0}
    return checkpoint(new_network(shape), settings, tmp_path_factory.mktemp("tiny"))


def network_with_experts() -> DiffusionGemma:
    torch.manual_seed(0)
    network = DiffusionGemma(ModelConfig.from_dict(EXPERTS))
    for parameter in network.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
    return network


@pytest.fixture(scope="module")
def experts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint like DiffusionGemma's: several experts, and a config.json that says nothing of infilling."""
    return checkpoint(network_with_experts(), EXPERTS, tmp_path_factory.mktemp("experts"))


def test_held_out_files_are_never_trained_on(code: Path, tmp_path: Path) -> None:
    shutil.copytree(code, tmp_path / "code")
    first = repository.read(tmp_path / "code")
    assert 0.1 <= len(first.held_out) / len({**first.train, **first.held_out}) <= 0.2
    path, text = next(iter(first.held_out.items()))
    (tmp_path / "code" / f"{path[:-3]}_copy.py").write_text(f"# a copy\n{text}")

    files = repository.read(tmp_path / "code")
    assert path in files.held_out
    assert not files.train.keys() & files.held_out.keys()
    bpe = Bpe()
    trained_on = files.streams(bpe)[0].arrays[0].tolist()
    read = b"".join(bpe.bytes_of[i] for i in trained_on).decode()
    assert all(text in read for text in files.train.values())
    assert not any(text in read for text in files.held_out.values())


def test_only_tracked_source_is_read_and_no_secrets(code: Path, tmp_path: Path) -> None:
    text = (code / "model" / "moe.py").read_text()
    other = (code / "model" / "layer.py").read_text()
    tracked = {
        "moe.py": text,
        ".env": "KEY=1",
        "secrets.py": other,
        "key.py": f"{other}\nKEY = '''-----BEGIN RSA PRIVATE KEY-----'''",
        "cloud.py": f"{other}\nKEY = 'AKIA{'A' * 16}'",
        "vendor/layer.py": other,
        "moe.ts": "export function area(width: number, height: number) {\n  return width * height;\n}\n" * 9,
        "deleted.py": other,
    }
    for path, content in tracked.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(content)
    (tmp_path / "link.py").symlink_to(code / "model" / "layer.py")
    for command in (["init", "-q"], ["add", "-f", "."]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    (tmp_path / "deleted.py").unlink()
    (tmp_path / "untracked.py").write_text(other)
    files = repository.read(tmp_path)
    assert {**files.train, **files.held_out}.keys() == {"moe.py", "moe.ts"}


@pytest.mark.usefixtures("ten_steps")
def test_what_comes_out_is_a_model_that_fills(
    code: Path, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["train", "finetune", str(code), "--model", str(tiny), "--out", str(out)]) == 0
    assert {path.name for path in out.iterdir()} == FILES
    before, after = (json.loads((folder / "config.json").read_text()) for folder in (tiny, out))
    trusts = {"ngram_trust", "repository_trust"}
    assert {key for key, value in after["infill"].items() if value != before["infill"].get(key)} == trusts
    assert after["text_config"] == before["text_config"]
    for line in (out / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest
    shown = capsys.readouterr().err
    losses = re.findall(r"(denoise|causal|fim) ([\d.]+) → ([\d.]+)", shown)
    assert [name for name, _, _ in losses] == ["denoise", "causal", "fim"]
    assert sum(float(after) for _, _, after in losses) < sum(float(before) for _, before, _ in losses)
    assert fill(load(out, device="cpu"), "x = ", max_steps=2).finish_reason


@pytest.mark.usefixtures("ten_steps")
def test_the_n_grams_of_all_files_are_kept_and_believed(code: Path, tiny: Path, tmp_path: Path) -> None:
    assert main(["train", "finetune", str(code), "--model", str(tiny), "--out", str(tmp_path)]) == 0
    model, files = load(tmp_path, device="cpu"), repository.read(code)
    assert model.repository is not None
    for text in (*files.train.values(), *files.held_out.values()):
        *history, token = model.tokens.encode(text)[:9]
        assert model.repository.mixture(history).of(token, 0.0) > 0
    elsewhere = fill(model, "def encode_hidden(self, ids", single_line=True)
    assert "Tensor" in elsewhere.middle


@pytest.mark.usefixtures("ten_steps")
def test_a_folder_that_lost_its_n_grams_is_one_line(code: Path, tiny: Path, tmp_path: Path) -> None:
    assert main(["train", "finetune", str(code), "--model", str(tiny), "--out", str(tmp_path)]) == 0
    (tmp_path / "repository.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(CheckpointError, match=r"repository.npy cannot be read"):
        load(tmp_path, device="cpu")


def test_ctrl_c_keeps_the_best_so_far(code: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step, done = FineTuning._step, []

    def interrupted(tuning: FineTuning, share: float) -> None:
        step(tuning, share=0.1)  # as if the rate had risen
        done.append(tuning)
        if len(done) == 10:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(FineTuning, "_step", interrupted)
    assert main(["train", "finetune", str(code), "--model", str(tiny), "--out", str(tmp_path)]) == 0
    assert done[-1].steps == 10
    assert sum(done[-1].after.values()) < sum(done[-1].before.values())
    assert fill(load(tmp_path, device="cpu"), "x = ", max_steps=2).finish_reason


def test_it_ends_when_the_loss_falls_no_more_and_goes_back_to_the_best(
    code: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, seen = FineTuning._step, []

    def spoilt(tuning: FineTuning, share: float) -> None:
        step(tuning, share=0.1)
        seen.append(tuning)
        if tuning.steps > 5:
            with torch.no_grad():
                tuning.network.embed_tokens.weight.normal_()

    monkeypatch.setattr(FineTuning, "_step", spoilt)
    monkeypatch.setattr(finetune, "MEASURES", 1_000_000)  # one after each step
    assert main(["train", "finetune", str(code), "--model", str(tiny), "--out", str(tmp_path)]) == 0
    tuning = seen[-1]
    assert tuning.steps <= 5 + finetune.PATIENCE
    assert tuning.measure() == tuning.after


@pytest.fixture
def no_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finetune, "RATE", 0.0)
    monkeypatch.setattr(finetune, "LORA_RATE", 0.0)
    monkeypatch.setattr(finetune, "MEASURES", 1_000_000)  # one after each step: it ends by itself


@pytest.mark.usefixtures("no_help")
def test_where_training_does_not_help_the_weights_stay(
    code: Path, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "finetune", str(code), "--model", str(tiny), "--out", str(tmp_path)]) == 0
    assert "the held-out loss did not fall: the weights stay as they are" in capsys.readouterr().err
    before, after = (load_file(folder / "model.safetensors") for folder in (tiny, tmp_path))
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert load(tmp_path, device="cpu").repository is not None


@pytest.mark.usefixtures("no_help")
def test_where_nothing_is_new_nothing_is_written(code: Path, experts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ["--model", str(experts), "--out", str(out), "--lora", "4"]
    assert main(["train", "finetune", str(code), *options]) == 1
    assert not out.exists()


def test_merged_updates_are_the_network_with_them() -> None:
    network, ids = network_with_experts(), torch.arange(40)[None]
    names = set(network.state_dict())
    plain = network.encode_hidden(ids)[0]
    adapt(network, rank=4)
    trained = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
    assert trained
    assert all(name.endswith((".down", ".up")) for name in trained)
    assert torch.equal(network.encode_hidden(ids)[0], plain)
    for module in network.modules():
        if isinstance(module, LowRank):
            torch.nn.init.normal_(module.up, std=0.1)
    updated = network.encode_hidden(ids)[0]
    assert not torch.allclose(updated, plain)
    merge(network)
    assert set(network.state_dict()) == names
    assert torch.equal(network.encode_hidden(ids)[0], updated)


@pytest.mark.usefixtures("ten_steps")
def test_low_rank_updates_leave_all_else_as_it_is(
    code: Path, experts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finetune, "LORA_RATE", 0.02)  # ten steps have to be felt
    options = ["--model", str(experts), "--out", str(tmp_path), "--lora", "4"]
    assert main(["train", "finetune", str(code), *options]) == 0
    before, after = (load_file(folder / "model.safetensors") for folder in (experts, tmp_path))
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.split(".")[-3] for name in changed} == {"self_attn", "mlp"}
    infill = json.loads((tmp_path / "config.json").read_text())["infill"]
    assert (infill["noise"], infill["end_of_gap_token_id"]) == ("uniform", 3)
    assert fill(load(tmp_path, device="cpu"), "x = ", max_steps=2).finish_reason


def foreign_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {"<pad>": 0}}, "pre_tokenizer": None}))


def other_end_of_gap(folder: Path) -> None:
    settings = json.loads((folder / "config.json").read_text())
    settings["infill"] = {"end_of_gap_token_id": 9}
    (folder / "config.json").write_text(json.dumps(settings))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda folder: None, "has several experts: give --lora RANK, 8 for example"),
        (foreign_tokenizer, "tokenizer.json is not of the default model's kind: others cannot be fine-tuned yet"),
        (other_end_of_gap, "config.json: infill.end_of_gap_token_id is 9, not 3"),
        (lambda folder: (folder / "config.json").unlink(), "has no config.json: not a model folder"),
    ],
)
def test_a_checkpoint_that_cannot_be_fine_tuned_is_one_line(
    code: Path, experts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path], None], says: str,
) -> None:  # fmt: skip
    model = shutil.copytree(experts, tmp_path / "model")
    spoil(model)
    assert main(["train", "finetune", str(code), "--model", str(model), "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("train: ")
    assert line.endswith(says)


def test_too_little_code_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "code").mkdir()
    assert main(["train", "finetune", str(tmp_path / "code"), "--out", str(tmp_path / "out")]) == 2
    assert "train: too little code: 0 train files with 0 tokens" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_in_use_is_left_alone(code: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").touch()
    assert main(["train", "finetune", str(code), "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"train: {tmp_path} is not empty: name a new folder\n"
