"""Decisions: their text, numbers, index, and what a person may do with them."""
