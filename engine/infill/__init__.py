"""Filling gaps: layout, candidates, choice. The only room that knows both text and tokens."""

from engine.infill.fill import Cancelled, run
from engine.infill.loaded import LoadedModel
from engine.infill.loading import load

__all__ = ["Cancelled", "LoadedModel", "load", "run"]
