"""A damaged or foreign checkpoint gives one line that names what is wrong; a sound one is read as it is, streamed."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.model.config import ConfigError
from engine.weights.checkpoint import CheckpointError, load_network
from tests.engine.reference import GLOBAL_HEADS, TEXT_CONFIG, build_checkpoint

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
SCALE = "model.decoder.layers.2.router.scale"


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_checkpoint(tmp_path_factory.mktemp("tiny") / "checkpoint")


@pytest.fixture
def checkpoint(sound: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(sound, tmp_path / "checkpoint"))


def refusal(folder: Path, kind: type[ValueError] = CheckpointError) -> str:
    """The one line with which a checkpoint is refused."""
    with pytest.raises(kind) as caught:
        load_network(folder)
    line = str(caught.value)
    assert "\n" not in line
    return line


def change_tensors(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def change_config(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


def shard(folder: Path) -> list[str]:
    """Split the weights as large checkpoints are; returns the names of the shards."""
    tensors = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    names = [f"model-{i + 1:05}-of-00003.safetensors" for i in range(3)]
    weight_map = {name: names[i % 3] for i, name in enumerate(sorted(tensors))}
    for file in names:
        save_file({name: tensors[name] for name, home in weight_map.items() if home == file}, folder / file)
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return names


def test_folder_without_config(tmp_path: Path) -> None:
    assert f"{tmp_path / 'nowhere'} has no config.json" in refusal(tmp_path / "nowhere")


def test_weights_are_missing(checkpoint: Path) -> None:
    (checkpoint / WEIGHTS).unlink()
    assert f"{checkpoint / WEIGHTS} is missing" in refusal(checkpoint)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_truncated_weights(checkpoint: Path, share: float) -> None:
    """An interrupted download, cut in the header or in the data."""
    path = checkpoint / WEIGHTS
    os.truncate(path, int(path.stat().st_size * share))
    assert f"{path} is damaged" in refusal(checkpoint)


@pytest.mark.parametrize(
    "start",
    [b"\xff" * 8, struct.pack("<Q", 40) + b"{" * 40, b"version https://git-lfs.github.com/spec/v1\n", b"\x80\x04PK"],
    ids=["length", "json", "git-lfs pointer", "pickle"],
)
def test_corrupt_header(checkpoint: Path, start: bytes) -> None:
    path = checkpoint / WEIGHTS
    path.write_bytes(start + path.read_bytes()[len(start) :])
    assert f"{path} is damaged" in refusal(checkpoint)


@pytest.mark.parametrize("name", [SCALE, "model.encoder.language_model.layers.1.layer_scalar"])
def test_missing_tensor(checkpoint: Path, name: str) -> None:
    change_tensors(checkpoint, lambda tensors: tensors.pop(name))
    assert name in refusal(checkpoint)


def test_many_missing_tensors_stay_one_short_line(checkpoint: Path) -> None:
    change_tensors(checkpoint, lambda tensors: [tensors.pop(name) for name in list(tensors) if ".experts." in name])
    line = refusal(checkpoint)
    assert "layers.0.experts.down_proj" in line
    assert "and 5 more" in line


@pytest.mark.parametrize("name", ["model.decoder.layers.9.mlp.up_proj.weight", "classifier.weight", SCALE + ".zero"])
def test_surplus_tensor(checkpoint: Path, name: str) -> None:
    change_tensors(checkpoint, lambda tensors: tensors.update({name: torch.zeros(3)}))
    assert f"unexpected tensor {name}" in refusal(checkpoint)


def test_misshapen_tensor(checkpoint: Path) -> None:
    change_tensors(checkpoint, lambda tensors: tensors.update({SCALE: torch.zeros(63)}))
    assert f"tensor {SCALE} has shape [63], config.json says [64]" in refusal(checkpoint)


def test_weights_of_another_shape_than_the_config(checkpoint: Path) -> None:
    change_config(checkpoint, lambda config: config["text_config"].update(moe_intermediate_size=20))
    assert "experts" in refusal(checkpoint)


def test_quantised_tensor(checkpoint: Path) -> None:
    change_tensors(checkpoint, lambda tensors: tensors.update({SCALE: tensors[SCALE].to(torch.int8)}))
    line = refusal(checkpoint)
    assert SCALE in line
    assert "quantised" in line


@pytest.mark.parametrize("text", ["", "{", "[]", "\ufeff{}", "null"])
def test_unreadable_config(checkpoint: Path, text: str) -> None:
    (checkpoint / "config.json").write_text(text)
    assert str(checkpoint / "config.json") in refusal(checkpoint)


CONFIG_FAULTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "model_type": lambda config: config.update(model_type="gemma4"),
    "text_config": lambda config: config.pop("text_config"),
    "canvas_length": lambda config: config.update(canvas_length="long"),
    "hidden_size": lambda config: config["text_config"].pop("hidden_size"),
    "num_experts": lambda config: config["text_config"].update(num_experts=None),
    "num_attention_heads": lambda config: config["text_config"].update(num_attention_heads=0),
    "layer_types": lambda config: config["text_config"].update(layer_types=["mamba"] * 4),
    "num_hidden_layers": lambda config: config["text_config"].update(num_hidden_layers=-1),
    "hidden_activation": lambda config: config["text_config"].update(hidden_activation="relu"),
    "tie_word_embeddings": lambda config: config["text_config"].update(tie_word_embeddings=False),
    "use_bidirectional_attention": lambda config: config["text_config"].update(use_bidirectional_attention="all"),
    "rope_type": lambda config: config["text_config"]["rope_parameters"]["full_attention"].update(rope_type="yarn"),
    "layer 1": lambda config: config["text_config"]["per_layer_config"]["1"].update(num_key_value_heads=3),
}


@pytest.mark.parametrize("key", CONFIG_FAULTS)
def test_config_of_another_model(checkpoint: Path, key: str) -> None:
    change_config(checkpoint, CONFIG_FAULTS[key])
    assert key in refusal(checkpoint, ConfigError)


@pytest.mark.parametrize(
    "key",
    [
        "text_config",
        "canvas_length",
        *TEXT_CONFIG,
        *GLOBAL_HEADS,
        "rms_norm_eps",
        "final_logit_softcapping",
        "per_layer_config",
        "rope_parameters",
    ],
)
def test_no_value_in_config_crashes(checkpoint: Path, key: str) -> None:
    """Whatever stands in config.json, the checkpoint is read, or refused in one line."""
    path, crashes = checkpoint / "config.json", []
    config = json.loads(path.read_text())
    place = config if key in config else config["text_config"]
    for value in (
        None,
        True,
        0,
        -1,
        2.5,
        "many",
        [],
        [None],
        {},
        {"1": 1},
        {"1": {"head_dim": "x"}},
        {"full_attention": 1},
    ):
        path.write_text(
            json.dumps(config | {key: value} if place is config else config | {"text_config": place | {key: value}})
        )
        try:
            load_network(checkpoint)
        except (ConfigError, CheckpointError) as refused:
            if "\n" in str(refused):
                crashes.append((value, "more than one line"))
        except Exception as error:
            crashes.append((value, repr(error)))
    assert crashes == []


def test_vision_and_tied_duplicates_are_skipped(sound: Path, checkpoint: Path) -> None:
    """Files differ in whether they hold the vision tower and copies of what encoder and decoder share."""
    names = load_file(sound / WEIGHTS).keys()
    assert any("vision_tower" in name for name in names)  # else this shows nothing

    def change(tensors: dict[str, Tensor]) -> None:
        for name in [name for name in tensors if "vision" in name]:
            del tensors[name]
        embeddings = tensors["model.decoder.embed_tokens.weight"]
        for copy in ("lm_head.weight", "model.encoder.language_model.embed_tokens.weight"):
            tensors[copy] = embeddings.clone()

    change_tensors(checkpoint, change)
    expected, loaded = load_network(sound).state_dict(), load_network(checkpoint).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in expected.items())


def test_sharded_weights(sound: Path, checkpoint: Path) -> None:
    shard(checkpoint)
    expected, loaded = load_network(sound).state_dict(), load_network(checkpoint).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in expected.items())


def test_missing_shard(checkpoint: Path) -> None:
    names = shard(checkpoint)
    (checkpoint / names[1]).unlink()
    assert f"{checkpoint / names[1]} is missing" in refusal(checkpoint)


def test_truncated_shard(checkpoint: Path) -> None:
    names = shard(checkpoint)
    os.truncate(checkpoint / names[2], 5000)
    assert f"{checkpoint / names[2]} is damaged" in refusal(checkpoint)


@pytest.mark.parametrize("text", ["{", "{}", '{"weight_map": []}', '{"weight_map": {"a": 1}}'])
def test_corrupt_index(checkpoint: Path, text: str) -> None:
    shard(checkpoint)
    (checkpoint / INDEX).write_text(text)
    assert str(checkpoint / INDEX) in refusal(checkpoint)


def test_progress_reaches_the_end_once(sound: Path) -> None:
    shares: list[float] = []
    load_network(sound, progress=shares.append)
    assert shares == sorted(set(shares))
    assert shares[-1] == 1.0


def test_dtype_is_as_asked(sound: Path) -> None:
    network = load_network(sound, dtype=torch.bfloat16)
    assert {tensor.dtype for tensor in network.state_dict().values()} == {torch.bfloat16}
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not network.training


PEAK = """
import sys, torch
from engine.weights.checkpoint import load_network

def held():  # MB of memory of its own: pages of a mapped file do not count, the system can drop them
    return int(next(line for line in open("/proc/self/status") if line.startswith("RssAnon")).split()[1]) / 1024

after_each = []
network = load_network(sys.argv[1], dtype=torch.float32, progress=lambda share: after_each.append(held()))
print(sum(t.nbytes for t in network.state_dict().values()) / 2**20, max(after_each) - after_each[0])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/status")
def test_loading_is_streamed(tmp_path: Path) -> None:
    """Loading 100 MB of bfloat16 as 200 MB of float32 never holds the file beside the network."""
    folder = build_checkpoint(
        tmp_path / "large",
        hidden_size=256,
        num_hidden_layers=8,
        layer_types=None,
        num_experts=32,
        moe_intermediate_size=256,
    )
    change_tensors(folder, lambda tensors: tensors.update({name: t.bfloat16() for name, t in tensors.items()}))
    out = subprocess.run([sys.executable, "-c", PEAK, str(folder)], capture_output=True, text=True, check=True).stdout
    size, peak = map(float, out.split())

    assert size > 190
    assert peak < 1.2 * size  # 1.5 if the file were read whole
