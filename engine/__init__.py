"""The engine: everything that knows tokens, tensors and weights.

    from engine import load, fill
    model = load()
    print(fill(model, "def add(a, b):\\n    return ", "\\n").middle)

The names are loaded when first used, so that `engine.protocol` can be imported without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.infill import LoadedModel, load
    from engine.protocol import FillResult

__all__ = ["LoadedModel", "fill", "load"]


def __getattr__(name: str) -> Any:
    if name in ("LoadedModel", "load"):
        from engine import infill

        return getattr(infill, name)
    raise AttributeError(f"module 'engine' has no attribute {name!r}")


def fill(model: LoadedModel, prefix: str, suffix: str = "", **options: Any) -> FillResult:
    """Fill the gap between two texts; `options` are the further fields of `engine.protocol.FillRequest`."""
    from engine.infill import run
    from engine.protocol import FillRequest

    return run(model, FillRequest(prefix=prefix, suffix=suffix, **options))
