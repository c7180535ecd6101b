"""The feed-forward half of a layer: router, experts, gated MLP."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.model.config import ModelConfig
from engine.model.norm import rms


def gelu(x: Tensor) -> Tensor:
    """The tanh form of GELU, as Gemma has it."""
    return F.gelu(x, approximate="tanh")


class GatedMLP(nn.Module):
    """down(gelu(gate(x)) * up(x))."""

    def __init__(self, hidden_size: int, width: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(hidden_size, width, bias=False)
        self.up_proj = nn.Linear(hidden_size, width, bias=False)
        self.down_proj = nn.Linear(width, hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down_proj(gelu(self.gate_proj(x)) * self.up_proj(x))
        return out


class Router(nn.Module):
    """Chooses the experts of each token, from the raw residual."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.top_k, self.eps = config.top_k_experts, config.rms_eps
        self.proj = nn.Linear(config.hidden_size, config.num_experts, bias=False)
        self.scale = nn.Parameter(torch.ones(config.hidden_size))
        self.per_expert_scale = nn.Parameter(torch.ones(config.num_experts))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Of x [N, D]: float32 weights and int64 indices of the chosen experts, each [N, top_k]."""
        if len(self.per_expert_scale) == 1:  # nothing to choose
            chosen = torch.zeros(len(x), 1, dtype=torch.long, device=x.device)
            return self.per_expert_scale.float().expand(len(x), 1), chosen
        scores = self.proj(rms(x, self.eps) * self.scale * x.shape[-1] ** -0.5)
        weights, chosen = F.softmax(scores, dim=-1, dtype=torch.float32).topk(self.top_k, dim=-1)
        return weights / weights.sum(dim=-1, keepdim=True) * self.per_expert_scale[chosen], chosen


class Experts(nn.Module):
    """All experts of a layer as two stacked matrices; the first half of `gate_up_proj`'s rows are the gate."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        e, d, width = config.num_experts, config.hidden_size, config.expert_size
        self.gate_up_proj = nn.Parameter(torch.empty(e, 2 * width, d))
        self.down_proj = nn.Parameter(torch.empty(e, d, width))

    def forward(self, x: Tensor, weights: Tensor, chosen: Tensor) -> Tensor:
        """The weighted sum of the chosen experts' outputs for x [N, D], added up in float32."""
        if self.gate_up_proj.shape[0] == 1:  # every token has the one expert: no gathering
            return (self._expert(x, 0) * weights).type_as(x)
        order = chosen.flatten().argsort(stable=True)  # [N * top_k] pairs, by expert
        rows = x[order // chosen.shape[1]]
        counts = chosen.flatten().bincount(minlength=self.gate_up_proj.shape[0]).tolist()
        parts = [self._expert(part, e) for e, part in enumerate(rows.split(counts)) if len(part)]
        outputs = torch.empty(len(order), x.shape[1], dtype=parts[0].dtype, device=x.device)
        outputs = outputs.index_copy(0, order, torch.cat(parts)).unflatten(0, chosen.shape)  # [N, top_k, D]
        total: Tensor = (outputs * weights[..., None]).sum(dim=1)
        return total.type_as(x)

    def _expert(self, x: Tensor, index: int) -> Tensor:
        gate, up = F.linear(x, self.gate_up_proj[index]).chunk(2, dim=-1)
        return F.linear(gelu(gate) * up, self.down_proj[index])
