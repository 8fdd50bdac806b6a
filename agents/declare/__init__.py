"""What a user writes: facts, actions, goals, triggers, and the catalogue they are collected in."""
