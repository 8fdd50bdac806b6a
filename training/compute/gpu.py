"""Names of GPUs, checked when they are declared: the platform refuses one only after a build.

A name may have a count (``H100:8``), and ``!`` where no better one is to be taken (``H100!``). As
of the platform's guide for version 1.6 of its client; what it really gave is recorded by name.
"""

import re
from collections.abc import Sequence
from typing import Final

__all__ = ["USUAL_GPU", "gpu_count", "gpu_names", "rate_name"]

USUAL_GPU: Final = "A10G"
"""What is trained on where there is a choice and nobody made one."""

_MOST: Final = {
    **dict.fromkeys(("T4", "L4", "A100", "A100-40GB", "A100-80GB", "L40S"), 8),
    **dict.fromkeys(("H100", "H200", "B200", "B200+", "B300", "RTX-PRO-6000"), 8),
    # four are in one machine at most
    **dict.fromkeys(("A10", "A10G"), 4),
}
"""Name → how many of them one container can have."""

_RATES: Final = {
    **{name: name.lower() for name in ("T4", "L4", "L40S", "H100", "H200", "B200", "B300")},
    # guide: gpu; `modal billing rates --json` has one rate for both names
    **dict.fromkeys(("A10", "A10G"), "a10g"),
    # reference: modal.gpu, "A100 will attach 1 A100-40GB GPU"; a larger one given costs the same
    **dict.fromkeys(("A100", "A100-40GB"), "a100_40gb"),
    "A100-80GB": "a100_80gb",
    # guide: gpu, a B200 or a B300 at the price of a B200
    "B200+": "b200",
    # as several public copies of the list have it, of October 2026
    "RTX-PRO-6000": "rtx6000",
}
"""Name → how the platform's list of rates calls it: a better one that is given costs the same."""

_FIXED: Final = ("H100",)
"""What may be given a better one, unless its name has a ``!``."""

_FORM: Final = re.compile(r"(?P<name>[A-Z0-9+-]+)(?P<fixed>!?)(?::(?P<count>[0-9]+))?")


def gpu_names(gpu: str | Sequence[str] | None) -> tuple[str, ...]:
    """The GPUs that are declared, in the order they are wanted, each in its one spelling.

    >>> gpu_names(["h100!:8", "A10G:1"])
    ('H100!:8', 'A10G')

    Raises:
        ValueError: There is none of such a name, or not so many in one container.
    """
    if gpu is None:
        return ()
    names = (gpu,) if isinstance(gpu, str) else tuple(gpu)
    return tuple(dict.fromkeys(_checked(name) for name in names))


def gpu_count(gpu: str) -> int:
    """How many of them one container has.

    >>> gpu_count("H100!:8"), gpu_count("A10G")
    (8, 1)
    """
    return int(gpu.partition(":")[2] or 1)


def rate_name(gpu: str) -> str:
    """The rate of one of them in the platform's list.

    >>> rate_name("A100:2"), rate_name("H100!:8"), rate_name("A10")
    ('gpu_hour_cost_a100_40gb', 'gpu_hour_cost_h100', 'gpu_hour_cost_a10g')

    Raises:
        KeyError: There is no such GPU.
    """
    return f"gpu_hour_cost_{_RATES[gpu.partition(':')[0].rstrip('!').upper()]}"


def _checked(name: str) -> str:
    match = _FORM.fullmatch(name.strip().upper())
    if match is None:
        raise ValueError(f"{name!r} is no GPU; write a name such as A10G, or H100:8 for eight")
    kind, count = match["name"], int(match["count"] or "1")
    if kind not in _MOST:
        raise ValueError(f"there is no GPU {kind!r}{_similar(kind)}; there are {', '.join(_MOST)}")
    if match["fixed"] and kind not in _FIXED:
        raise ValueError(f"{name!r}: only {', '.join(_FIXED)} can be given something better; no !")
    if not 1 <= count <= _MOST[kind]:
        raise ValueError(f"{name!r}: a container can have 1 to {_MOST[kind]} of {kind}")
    return f"{kind}{match['fixed']}" + (f":{count}" if count > 1 else "")


def _similar(kind: str) -> str:
    import difflib  # noqa: PLC0415 - only when a name is wrong

    close = difflib.get_close_matches(kind, _MOST, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""
