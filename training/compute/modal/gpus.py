"""The GPUs of the platform, by the names its guide has, and how many of one a container may have.

From modal.com/docs/guide/gpu, read in 2026: up to 8 of a kind, up to 4 A10. The platform refuses
another name or count only after the image was built, so they are checked before.
"""

from typing import Final

__all__ = ["KINDS", "check_gpu"]

KINDS: Final = {
    **dict.fromkeys(("T4", "L4"), 8),
    **dict.fromkeys(("A10", "A10G"), 4),
    **dict.fromkeys(("A100", "A100-40GB", "A100-80GB", "L40S"), 8),
    **dict.fromkeys(("RTX-PRO-6000", "H100", "H200", "B200", "B200+", "B300"), 8),
}
"""Name to the largest count."""


def check_gpu(name: str) -> None:
    """Return when there is such a GPU; ``H100!`` is one that is not upgraded.

    Raises:
        ValueError: There is not, or not so many in one container.
    """
    kind, colon, count = name.partition(":")
    most = KINDS.get(kind.upper().rstrip("!"))
    if most is None:
        raise ValueError(f"there is no GPU {name!r}: use one of {', '.join(KINDS)}, or A10G:4")
    if colon and not (count.isdigit() and 1 <= int(count) <= most):
        raise ValueError(f"gpu={name}: use one of {kind}:1 to {kind}:{most}")
