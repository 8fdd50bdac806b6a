"""The records of a story about trainings."""

from functools import partial

from actions.contributions import TRAINING
from agents import records
from agents.records import verify, write
from agents.records.adr import by_hand as commands
from agents.records.evidence import inputs

outdated = partial(records.outdated, subject=TRAINING)
uncommitted = partial(records.uncommitted, subject=TRAINING)
write_records = partial(records.write_records, subject=TRAINING)
inputs_digest = partial(inputs.inputs_digest, subject=TRAINING)
madr_text = partial(commands.madr_text, subject=TRAINING)
verify_records = partial(verify.verify_records, subject=TRAINING)


def draft(events, repo):
    """What the records should say."""
    return write.draft(events, repo, TRAINING)
