"""Trackers that show what metrics.jsonl holds."""
