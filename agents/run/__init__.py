"""One run of one goal: observe, decide, act, verify, recover, record."""

from goap_start import refuse

refuse()  # openai-agents has an ``agents.run`` too; mixed with it, this is where we are met first
