"""Carries one training: restores, steps, saves, says how it ended."""
