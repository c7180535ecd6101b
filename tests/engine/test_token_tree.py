"""Branching continuations read at once."""

from __future__ import annotations

import pytest
import torch

from engine.model.token_tree import ROOT, TokenTree

CONTEXT = [2, 300, 301, 302, 303, 304, 305]


@pytest.fixture(params=[0, 7], ids=["no context", "context"])
def context(request, model):
    ids = CONTEXT[: request.param]
    return ids, model.network.encode(torch.tensor([ids])) if ids else None


def plain(model, ids):
    return model.network.encode_hidden(torch.tensor([ids]))[0][0, -1]


@torch.inference_mode()
def test_each_token_is_read_as_if_its_branch_stood_alone(model, context):
    ids, cache = context
    tree = TokenTree(model.network, cache)
    trunk = tree.grow([400, 401], [ROOT, 0])
    left, right = tree.grow([500, 501], [1, 0])
    leaf = tree.grow([600], [3])[0]
    for got, path in (
        (trunk[1], [400, 401]),
        (left, [400, 401, 500]),
        (right, [400, 501]),
        (leaf, [400, 501, 600]),
    ):
        torch.testing.assert_close(got, plain(model, [*ids, *path]), atol=2e-4, rtol=2e-4)


@torch.inference_mode()
def test_a_long_context_slides_as_in_a_plain_reading(model):
    ids = [2, *torch.arange(600).remainder(4000).add(100).tolist()]
    tree = TokenTree(model.network, model.network.encode(torch.tensor([ids])))
    tree.grow([400], [ROOT])
    got = tree.grow([401], [0])[0]
    torch.testing.assert_close(got, plain(model, [*ids, 400, 401]), atol=5e-4, rtol=5e-4)
