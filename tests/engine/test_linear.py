"""Matrix products with int8 weights."""

from __future__ import annotations

import pytest
import torch

from engine.model.linear import Int8Linear, quantize_rows


def packed(weight: torch.Tensor) -> Int8Linear:
    linear = Int8Linear(*quantize_rows(weight), None)
    linear.pack()
    return linear


@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_products_do_not_saturate(sign: int) -> None:
    """A CPU without VNNI adds two products of 8 bits in 16 bits."""
    weight, x = torch.full((32, 64), 1.0), torch.full((3, 64), 2.0 * sign)
    assert torch.allclose(packed(weight)(x), x @ weight.T, rtol=0.02)


def test_a_product_is_close_to_that_of_the_weights_themselves() -> None:
    generator = torch.Generator().manual_seed(0)
    weight, x = torch.randn(96, 128, generator=generator), torch.randn(7, 128, generator=generator)
    exact = x @ weight.T
    assert (packed(weight)(x) - exact).norm() / exact.norm() < 0.03


def test_a_row_does_not_depend_on_the_others() -> None:
    generator = torch.Generator().manual_seed(1)
    linear, x = packed(torch.randn(96, 128, generator=generator)), torch.randn(5, 128, generator=generator)
    assert torch.equal(linear(x)[2], linear(x[2:3])[0])
