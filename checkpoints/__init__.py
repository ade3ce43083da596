"""Shipped checkpoints, found by name: folders of config.json, model.safetensors and README.md."""
