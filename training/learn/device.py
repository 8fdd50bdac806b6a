"""What this machine can do: where to train, in which precision, with how many threads."""

import ctypes
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""`mallopt` parameters of glibc's malloc.h."""


@dataclass(frozen=True)
class Device:
    """Where and how a training computes.

    Attributes:
        torch_device: `cpu` or `cuda:0`.
        name: The processor's name, for people.
        dtype: Type of the matrix products; weights are always float32.
        threads: CPU threads in use.
    """

    torch_device: torch.device
    name: str
    dtype: torch.dtype
    threads: int

    @property
    def is_gpu(self) -> bool:
        """Whether training runs on a GPU."""
        return self.torch_device.type == "cuda"

    @property
    def dtype_name(self) -> str:
        """`float32` or `bfloat16`."""
        return str(self.dtype).removeprefix("torch.")

    @property
    def memory(self) -> Callable[[], float] | None:
        """A function that returns the gigabytes in use on the GPU; None without one."""
        if not self.is_gpu:
            return None
        return lambda: torch.cuda.memory_allocated(self.torch_device) / 1e9

    def autocast(self) -> torch.autocast:
        """Return the context in which the model runs."""
        enabled = self.dtype is not torch.float32
        return torch.autocast(self.torch_device.type, dtype=self.dtype, enabled=enabled)


def choose_device(precision: str, threads: int | None = None, device: str | None = None) -> Device:
    """Return the device to train on, and set torch up for it.

    Args:
        precision: `fp32`, `bf16`, or `auto`: bf16 where the hardware has it. CPUs that only emulate
            it are slower in bf16 than in fp32.
        threads: CPU threads; torch's choice when None.
        device: `cpu` or `cuda`; the GPU if there is one when None.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    where = torch.device(device or ("cuda:0" if torch.cuda.is_available() else "cpu"))
    if where.type == "cpu":
        # Denormal numbers appear in Adam's moments and cost up to a hundred times a normal number's
        # time on x86.
        torch.set_flush_denormal(True)
        keep_freed_memory()
    else:
        torch.backends.cuda.matmul.allow_tf32 = True
    bf16 = has_fast_bf16(where) if precision == "auto" else precision == "bf16"
    dtype = torch.bfloat16 if bf16 else torch.float32
    return Device(where, _processor_name(where), dtype, torch.get_num_threads())


def keep_freed_memory() -> None:
    """Let malloc keep what a step frees for the next one, where the C library can be told to.

    It would give every tensor above 32 MB back to the system and take fresh pages for the next:
    66,000 page faults and a seventh of the time in a step of the 128 px model.
    """
    with suppress(OSError, AttributeError):  # not glibc: nothing to tell
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


def has_fast_bf16(device: torch.device) -> bool:
    """Return whether the hardware multiplies bf16 matrices natively."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    flags = _cpu_info().get("flags", "").split()
    return "amx_bf16" in flags or "avx512_bf16" in flags


def plain_attention_is_faster(device: torch.device, dtype: torch.dtype) -> bool:
    """Return whether matmul-softmax-matmul beats fused attention: on CPU in bf16, three times."""
    return device.type == "cpu" and dtype is torch.bfloat16


def cpu_capability() -> str:
    """Return what bit-identical arithmetic depends on: torch, processor, instructions, threads."""
    about = _cpu_info()
    names = (about.get(name, "-") for name in ("vendor_id", "cpu family", "model"))
    return (
        f"torch {torch.__version__} {torch.backends.cpu.get_cpu_capability()} "
        f"{' '.join(names)} {torch.get_num_threads()} threads"
    )


@cache
def _cpu_info() -> dict[str, str]:
    """What Linux says of the first processor; nothing elsewhere."""
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _processor_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return _cpu_info().get("model name", os.uname().machine)
