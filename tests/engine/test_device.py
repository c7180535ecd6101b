"""Where and in which number format the model runs when the user does not say."""

from __future__ import annotations

import pytest
import torch

from engine.runtime.device import choose_dtype


@pytest.mark.parametrize(
    ("device", "units", "dtype"),
    [("cuda", False, torch.bfloat16), ("cpu", True, torch.bfloat16), ("cpu", False, torch.float32)],
)
def test_bfloat16_where_the_hardware_computes_with_it(device, units, dtype, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: units)
    assert choose_dtype("auto", torch.device(device)) == dtype


def test_the_user_decides():
    assert choose_dtype("float32", torch.device("cuda")) == torch.float32
    with pytest.raises(ValueError, match="unknown dtype 'int3'; use auto, int8, float32 or bfloat16"):
        choose_dtype("int3", torch.device("cpu"))


def test_torch_can_be_asked_about_the_cpu():
    assert choose_dtype("auto", torch.device("cpu")) in (torch.float32, torch.bfloat16)
