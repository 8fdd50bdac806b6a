"""The append-only file of events, and what is read from it."""
