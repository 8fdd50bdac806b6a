"""One run of one goal: observe, decide, act, verify, recover, record."""
