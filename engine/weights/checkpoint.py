"""Checkpoint folders in the published layout: `config.json`, `*.safetensors` (+ index).

Tensors are read one by one from memory-mapped files straight to their place, so that host memory never
holds the checkpoint twice (nor once, when the network is on a GPU).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.overrides import TorchFunctionMode

from engine.model.config import ModelConfig
from engine.model.diffusion_gemma import DiffusionGemma

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_DECODER = "model.decoder."
_ENCODER = "model.encoder.language_model."
_VISION = ("model.encoder.vision_tower.", "model.encoder.embed_vision.", "embed_vision.")
_ENCODER_SCALAR = re.compile(re.escape(_ENCODER) + r"layers\.(\d+)\.layer_scalar")


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; one line that names the file or tensor and what is wrong with it."""


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """A JSON object from a checkpoint folder. Raises `CheckpointError`."""
    try:
        data = json.loads((folder / name).read_text("utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{folder} has no {name}: not a model folder") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder / name} cannot be read: {error}") from None
    if not isinstance(data, dict):
        raise CheckpointError(f"{folder / name} is not a JSON object")
    return data


def read_tokenizer(folder: Path) -> Tokenizer:
    """The folder's tokenizer.json. Raises `CheckpointError`."""
    from tokenizers import Tokenizer  # only here: training needs no tokenizer

    file = folder / "tokenizer.json"
    if not file.is_file():
        raise CheckpointError(f"{folder} has no tokenizer.json; download the model again")
    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises bare Exception
        raise CheckpointError(f"{file} cannot be read: {error}") from None


def load_network(
    folder: str | Path,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    progress: Callable[[float], None] | None = None,
) -> DiffusionGemma:
    """Build the network of a checkpoint folder on `device`, in `dtype`, ready for inference.

    `progress` is called with the share of tensors read, in [0, 1]. Raises `CheckpointError` or
    `ConfigError` (both `ValueError`, one line).
    """
    folder = Path(folder)
    config = ModelConfig.from_dict(read_json(folder, "config.json"))
    with torch.device("meta"), _Uninitialised():
        network = DiffusionGemma(config)
    wanted = dict(network.state_dict())
    missing = set(wanted)
    for name, tensor in read_tensors(folder):
        own = _own_name(name)
        if own is None:
            continue
        if own not in missing:
            raise CheckpointError(f"{folder}: unexpected tensor {name} (is this checkpoint of another model?)")
        if tensor.shape != wanted[own].shape:
            raise CheckpointError(
                f"{folder}: tensor {name} has shape {list(tensor.shape)}, config.json says {list(wanted[own].shape)}"
            )
        if not tensor.dtype.is_floating_point:
            raise CheckpointError(f"{folder}: tensor {name} is {tensor.dtype}; quantised checkpoints are not supported")
        _assign(network, own, tensor.to(device=device, dtype=dtype))
        missing.discard(own)
        if progress:
            progress(1 - len(missing) / len(wanted))
    if missing:
        names = sorted(map(_published_name, missing))
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        raise CheckpointError(f"{folder}: missing tensors {', '.join(names[:3])}{more}; download the model again")
    return network.eval().requires_grad_(False)


class _Uninitialised(TorchFunctionMode):
    """Skips torch.nn.init: on the meta device it does nothing but import a second's worth of modules."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def save_network(network: DiffusionGemma, folder: Path, config: dict[str, Any], dtype: torch.dtype) -> None:
    """Write the network in the published layout; `config` is the config.json to put beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {}
    for own, tensor in network.state_dict().items():
        tensors[_published_name(own)] = tensor.to("cpu", dtype).contiguous()
    fresh = folder / "model.safetensors.new"
    save_file(tensors, fresh, metadata={"format": "pt"})
    fresh.chmod(0o644)  # it is written readable by its owner alone
    fresh.replace(folder / "model.safetensors")  # an engine may have the old file mapped
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")


def _published_name(own: str) -> str:
    """The name in published files of one of our tensors."""
    if own.endswith(".encoder_layer_scalar"):
        return _ENCODER + own.replace("encoder_layer_scalar", "layer_scalar")
    return _DECODER + own


def _own_name(name: str) -> str | None:
    """Our name of a published tensor; None for one that the text stack does not need."""
    if match := _ENCODER_SCALAR.fullmatch(name):
        return f"layers.{match[1]}.encoder_layer_scalar"
    if name.startswith(_VISION) or name.startswith(_ENCODER) or name == "lm_head.weight":
        return None  # vision, or a duplicate of a tied tensor
    return name.removeprefix(_DECODER)


def _assign(network: DiffusionGemma, name: str, tensor: Tensor) -> None:
    path, _, leaf = name.rpartition(".")
    module = network.get_submodule(path)
    if leaf in module._buffers:
        module._buffers[leaf] = tensor
    else:
        setattr(module, leaf, torch.nn.Parameter(tensor, requires_grad=False))


def read_tensors(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of the folder's safetensors files, one at a time."""
    for path in _files(folder):
        try:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118 (safe_open is no mapping)
                    yield name, file.get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{path} is damaged ({error}); download the model again") from None


def _files(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if index.exists():
        shards = read_json(folder, index.name).get("weight_map")
        if not isinstance(shards, dict) or not shards or not all(isinstance(name, str) for name in shards.values()):
            raise CheckpointError(f"{index} has no weight_map")
        paths = [folder / name for name in sorted(set(shards.values()))]
    else:
        paths = [folder / "model.safetensors"]
    for path in paths:
        if not path.is_file():
            raise CheckpointError(f"{path} is missing; download the model again")
    return paths
