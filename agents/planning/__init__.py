"""The planner: `plan(start, goal, actions)`.

Pure: it reads nothing but its arguments and the clock, and knows nothing of the rest of the
project but how errors are spoken.
"""

from agents.planning.limits import Limits
from agents.planning.operator_index import Operators, operators_of
from agents.planning.operators import SECONDS_PER_USD
from agents.planning.planner import plan
from agents.planning.replan import rest_of, still_valid
from agents.planning.result import Missing, PlanResult, Reason, Stats, Status, Step
from agents.planning.values import UNKNOWN, AtLeast, Below, Unknown
from agents.planning.why import Explanation, WhyNot, explain_missing, runner_up, why_not

__all__ = [
    "SECONDS_PER_USD",
    "UNKNOWN",
    "AtLeast",
    "Below",
    "Explanation",
    "Limits",
    "Missing",
    "Operators",
    "PlanResult",
    "Reason",
    "Stats",
    "Status",
    "Step",
    "Unknown",
    "WhyNot",
    "explain_missing",
    "operators_of",
    "plan",
    "rest_of",
    "runner_up",
    "still_valid",
    "why_not",
]
