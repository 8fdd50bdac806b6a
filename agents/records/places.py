"""Where records lie in a repository; who asks only this imports nothing that renders them."""

__all__ = ["ADR_FOLDER", "ARCHIVE_PATH", "INDEX_PATH", "LEARNINGS_PATH", "RUNS_FOLDER"]

ADR_FOLDER = "plans"
INDEX_PATH = "plans/INDEX.md"
LEARNINGS_PATH = "agents-docs/learnings.md"
ARCHIVE_PATH = "agents-docs/learnings-archive.md"
RUNS_FOLDER = "agents-docs/runs"
