"""Denoising: canvases, the entropy-bound sampler, the stop rule and the loop. Knows no text."""
