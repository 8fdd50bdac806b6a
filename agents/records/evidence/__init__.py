"""What a run measured and decided, read from the ledger, each number with its source."""
