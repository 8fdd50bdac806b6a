"""Gates as rows of a table."""

from collections.abc import Iterable

from agents.records.evidence.models import CitedVerdict
from agents.records.text.markdown import number

__all__ = ["gate_rows"]


def gate_rows(verdicts: Iterable[CitedVerdict]) -> list[dict[str, object]]:
    """One row per gate, for a template."""
    return [
        {
            "name": verdict.name,
            "metric": verdict.metric,
            "value": verdict.value,
            "direction": verdict.direction,
            "threshold": verdict.threshold,
            # six digits are enough unless they would hide on which side the value is
            "exact": number(verdict.value) == number(verdict.threshold)
            and verdict.value != verdict.threshold,
            "passed": verdict.passed,
            "sequence": verdict.source.sequence,
        }
        for verdict in verdicts
    ]
