"""Training of denoising adapters on frozen causal networks."""
