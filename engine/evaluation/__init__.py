"""Measuring: how fast the engine is, and how good."""
