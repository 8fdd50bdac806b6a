"""What hardware is really there, asked without any library."""

import platform
import re
import subprocess
from pathlib import Path

__all__ = ["device_name"]


def device_name() -> str:
    """The GPUs by name, ``2 x NVIDIA H100 80GB HBM3``; without one the processor."""
    words = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        said = subprocess.run(words, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return _processor()
    names = [line.strip() for line in said.splitlines() if line.strip()]
    if not names:
        return _processor()
    return names[0] if len(names) == 1 else f"{len(names)} x {names[0]}"


def _processor() -> str:
    try:
        about = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        about = ""
    model = re.search(r"(?m)^model name\s*:\s*(.+)$", about)
    return f"cpu ({model[1]})" if model else f"cpu ({platform.machine() or 'unknown'})"
