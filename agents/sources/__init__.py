"""Where events come from: commits, files, schedules, webhooks; each only writes to the ledger."""
