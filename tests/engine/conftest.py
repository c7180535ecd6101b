"""The shipped model, loaded once for all tests of this folder, and what the tests of training start from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from engine import LoadedModel, load
from engine.training.bpe import BOS, EOS, Bpe

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="session")
def model() -> LoadedModel:
    return load(device="cpu", dtype="float32")  # tolerances below are those of float32


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Token shards of this project's own code."""
    folder, bpe = tmp_path_factory.mktemp("corpus"), Bpe()
    for split, pattern in (("train", "engine/*/*.py"), ("held_out", "dg_lsp/*.py")):
        documents = [bpe.encode(path.read_text("utf-8")) for path in sorted(ROOT.glob(pattern))]
        ids = torch.tensor([i for ids in documents for i in (BOS, *ids, EOS)]).to(torch.uint16)
        save_file({"ids": ids}, folder / f"{split}_00.safetensors")
    return folder


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Tiny networks are too small for more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
