"""The script of our own two models: restores, steps, saves, says how it ended."""
