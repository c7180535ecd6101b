"""Benchmarks of the whole, beside other systems. Not part of the wheel."""
