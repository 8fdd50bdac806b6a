"""Jinja templates of the records: one file per generated region or document."""
