"""What the model learns: next tokens (encoder) and the gaps of pinned canvases (decoder).

The recipe is DiffusionGemma's: cross-entropy on the canvas at a random noise level, self-conditioning on
half of the examples, next-token loss on the clean text; here the head of the line and of the suffix are
pinned, as in inference, and a gap is padded with end-of-gap tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.model.attention import causal_mask
from engine.model.diffusion_gemma import DiffusionGemma
from engine.model.kv_cache import LayerCache
from engine.training.batches import Batch
from engine.training.bpe import MIDDLE, SUFFIX
from engine.training.data import CanvasBatch

# Rows of logits held at a time: few enough for a processor's cache, enough to keep a GPU busy.
_CHUNK = {"cpu": 256, "cuda": 8192}


@dataclass(frozen=True, slots=True)
class Loss:
    """A weighted mean loss with its gradient, and the weighted share of right tokens; both still on the device."""

    value: Tensor
    right: Tensor


class _SoftcappedCrossEntropy(torch.autograd.Function):
    """Cross-entropy of softcapped logits with tied embeddings, without ever holding all logits.

    The gradients are computed chunk by chunk in the forward pass; backward scales them.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, table: Tensor, targets: Tensor, weights: Tensor, cap: float, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        narrow = table.to(dtype)
        grad_hidden = torch.empty_like(hidden, dtype=torch.float32)
        grad_table = torch.zeros_like(table, dtype=torch.float32)
        loss, right = hidden.new_zeros((), dtype=torch.float32), hidden.new_zeros((), dtype=torch.float32)
        chunk = _CHUNK[hidden.device.type]
        for rows in (slice(start, start + chunk) for start in range(0, len(hidden), chunk)):
            h, target, weight = hidden[rows].to(dtype), targets[rows, None], weights[rows]
            # tanh(x) is 2 * sigmoid(2 x) - 1, which the CPU computes six times faster
            squashed = F.linear(h, narrow).float().mul_(2 / cap).sigmoid_().mul_(2).sub_(1)  # [n, V]
            logits = squashed * cap
            total = logits.logsumexp(dim=-1, keepdim=True)
            loss += (weight * (total - logits.gather(1, target))[:, 0]).sum()
            right += (weight * (logits.argmax(dim=-1) == target[:, 0])).sum()
            grad = logits.sub_(total).exp_()
            grad.scatter_add_(1, target, torch.full_like(total, -1.0))
            grad.mul_(weight[:, None]).mul_(squashed.square_().neg_().add_(1.0))
            grad = grad.to(dtype)
            grad_hidden[rows] = (grad @ narrow).float()
            grad_table += grad.T @ h
        ctx.save_for_backward(grad_hidden.to(hidden.dtype), grad_table)
        ctx.mark_non_differentiable(right)
        return loss, right

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        grad_hidden, grad_table = ctx.saved_tensors
        return grad_hidden * grads[0], grad_table * grads[0], None, None, None, None


def cross_entropy(
    network: DiffusionGemma, hidden: Tensor, targets: Tensor, weights: Tensor, dtype: torch.dtype
) -> Loss:
    """Weighted mean cross-entropy of normed hidden states [N, D] for targets [N] with weights [N]."""
    loss, right = _SoftcappedCrossEntropy.apply(  # type: ignore[no-untyped-call]
        hidden, network.embed_tokens.weight, targets, weights, network.config.softcap, dtype
    )
    total = weights.sum().clamp(min=1.0)
    return Loss(loss / total, (right / total).detach())


def losses_of(network: DiffusionGemma, batch: Batch, dtype: torch.dtype) -> dict[str, Loss]:
    """The losses on one batch by name, computed in `dtype`."""
    losses: dict[str, Loss] = {}
    with torch.autocast(network.device.type, dtype, enabled=dtype != torch.float32):
        if batch.ids is not None and batch.canvases is not None:
            losses["denoise"], losses["causal"] = infill_loss(
                network, batch.ids, batch.canvases, batch.conditioned, dtype
            )
        if batch.causal is not None:
            name = "fim" if losses else "causal"
            losses[name] = causal_loss(network, batch.causal, dtype)
    return losses


def causal_loss(network: DiffusionGemma, ids: Tensor, dtype: torch.dtype) -> Loss:
    """Next-token loss of the encoder on rows of text, ids [B, T]."""
    hidden, _ = network.encode_hidden(ids)
    return _next_token_loss(network, hidden, ids, dtype)


def _next_token_loss(network: DiffusionGemma, hidden: Tensor, ids: Tensor, dtype: torch.dtype) -> Loss:
    targets = ids[:, 1:].flatten()
    ours = (targets == SUFFIX) | (targets == MIDDLE)  # where a hole is, the user says and the text does not tell
    return cross_entropy(network, hidden[:, :-1].flatten(0, 1), targets, (~ours).float(), dtype)


def infill_loss(
    network: DiffusionGemma, ids: Tensor, canvases: CanvasBatch, conditioned: bool, dtype: torch.dtype
) -> tuple[Loss, Loss]:
    """Denoising loss of the gaps, and next-token loss of the clean text, from one encoder pass.

    ids [B, T]; `conditioned`: whether the canvases see the network's own first prediction (then there are two
    passes, of which the second is trained).
    """
    hidden, caches = _encode_row(network, ids)
    view = _CanvasView(network, canvases, ids.shape[1])
    soft: Tensor | None = None
    if conditioned:
        with torch.no_grad():
            logits = network.causal_logits(view.free_hidden(caches, None))
            soft = network.embed(canvases.clean).flatten(0, 2)  # pinned slots: their own embedding, as in inference
            soft[canvases.slots] = network.soft_embedding(logits).to(soft.dtype)
    targets = canvases.clean.flatten()[canvases.slots]
    denoise = cross_entropy(network, view.free_hidden(caches, soft), targets, canvases.weights, dtype)
    return denoise, _next_token_loss(network, hidden, ids, dtype)


@torch.no_grad()
def gap_logits(network: DiffusionGemma, ids: Tensor, canvases: CanvasBatch) -> Tensor:
    """What one denoising step says of the free slots: float32 logits [N, V]."""
    _, caches = _encode_row(network, ids)
    return network.causal_logits(_CanvasView(network, canvases, ids.shape[1]).free_hidden(caches, None))


def _encode_row(network: DiffusionGemma, ids: Tensor) -> tuple[Tensor, list[LayerCache]]:
    """Hidden states and every layer's keys and values of all tokens (nothing slides out of a row)."""
    x = network.embed(ids)
    rotations = network.rotations(torch.arange(ids.shape[1], device=ids.device), x.dtype)
    caches = []
    for layer, shape in network.stack:
        window = network.config.sliding_window if shape.kind == "sliding" else None
        mask = None
        if window is not None and ids.shape[1] > window:
            mask = causal_mask(ids.shape[1], ids.shape[1], window, ids.device)
        x, keys, values = layer(x, rotations[shape.kind], encoder=True, mask=mask, causal=mask is None)
        caches.append(LayerCache(keys, values))
    return network.norm(x), caches


class _CanvasView:
    """All canvases in one decoder pass, each seeing only its own context and itself."""

    def __init__(self, network: DiffusionGemma, canvases: CanvasBatch, length: int) -> None:
        self.network, self.canvases = network, canvases
        _, self.per_row, c = canvases.clean.shape
        device = canvases.clean.device
        starts = canvases.starts.flatten()[:, None]  # [B * G, 1]
        self.positions = starts + torch.arange(c, device=device)  # [B * G, C]
        keys = torch.arange(length, device=device)
        full = keys < starts  # [B * G, T]
        sliding = full & (keys >= starts - (network.config.sliding_window - 1))
        own = canvases.real.flatten(0, 1)  # [B * G, C]
        self.masks = {
            kind: torch.cat([context, own], dim=1)[:, None, None].expand(-1, 1, c, -1)
            for kind, context in (("full", full), ("sliding", sliding))
        }

    def free_hidden(self, caches: list[LayerCache], soft: Tensor | None) -> Tensor:
        """Normed hidden states [N, D] of the free slots; `soft` [B * G * C, D]."""
        network, flat = self.network, self.canvases.noisy.flatten(0, 1)  # [B * G, C]
        x = network.embed(flat)
        x = network.self_conditioning.condition(x, None if soft is None else soft.view_as(x))
        rotations = network.rotations(self.positions, x.dtype)
        for (layer, shape), past in zip(network.stack, caches, strict=True):
            keys, values = (kept.repeat_interleave(self.per_row, dim=0) for kept in (past.keys, past.values))
            context = LayerCache(keys, values)  # for each canvas that of its row
            x, _, _ = layer(x, rotations[shape.kind], encoder=False, past=context, mask=self.masks[shape.kind])
        normed: Tensor = network.norm(x.flatten(0, 1)[self.canvases.slots])
        return normed
