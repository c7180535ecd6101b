"""DiffusionGemma in PyTorch: configuration, layers, cache. Knows no sampler and no text."""
