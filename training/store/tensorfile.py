"""Writes tensors in the safetensors format straight from their memory; hashes while it writes.

The format (https://huggingface.co/docs/safetensors): 8 bytes of header length, a JSON header, the
tensors' bytes back to back. The library would first join them into one string, a second copy of a
checkpoint; here the kernel and the hash read the tensors where they are.
"""

import hashlib
import json
import mmap
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.errors import CheckpointError
from training.store.durable import begin_to_sync, reserve_room
from training.store.names import STATE_FILE

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "SUFFIX",
    "file_sha256",
    "hash_pieces",
    "read_tensors",
    "tensor_pieces",
    "write_files",
    "write_pieces",
]

SUFFIX = ".safetensors"

_NAMES = {
    "torch.float64": "F64",
    "torch.float32": "F32",
    "torch.float16": "F16",
    "torch.bfloat16": "BF16",
    "torch.int64": "I64",
    "torch.int32": "I32",
    "torch.int16": "I16",
    "torch.int8": "I8",
    "torch.uint8": "U8",
    "torch.bool": "BOOL",
}
_BUFFER = 1 << 22
_ALIGNMENT = 8


def tensor_pieces(tensors: Mapping[str, "Tensor"]) -> list[memoryview]:
    """The bytes of a safetensors file as views of the tensors' own memory, header first.

    Tensors on an accelerator or with gaps are copied once; nothing else is. The views are valid
    only while nothing writes into the tensors.

    Raises:
        ValueError: A tensor has a type that the format does not know.
    """
    header: dict[str, object] = {}
    views: list[memoryview] = []
    offset = 0
    # Widest types first, so that each tensor starts at a multiple of its own width.
    for name in sorted(tensors, key=lambda key: (-tensors[key].element_size(), key)):
        tensor = tensors[name]
        size = tensor.numel() * tensor.element_size()
        kind = _NAMES.get(str(tensor.dtype))
        if kind is None:
            raise ValueError(f"tensor {name}: type {tensor.dtype} cannot be saved")
        header[name] = {
            "dtype": kind,
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + size],
        }
        offset += size
        if size:
            views.append(_bytes_of(tensor))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return [memoryview(len(text).to_bytes(8, "little") + text), *views]


def _bytes_of(tensor: "Tensor") -> memoryview:
    import torch  # noqa: PLC0415

    flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return flat.numpy().data


def hash_pieces(pieces: Sequence[memoryview]) -> str:
    """Hex sha256 of the pieces together; runs beside other threads while it works."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def write_pieces(path: Path, pieces: Sequence[memoryview]) -> None:
    """Write a new file of these pieces and wait until the disk has it.

    Raises:
        OSError: There is no room, or the disk fails.
    """
    with path.open("xb", buffering=_BUFFER) as file:
        reserve_room(file.fileno(), sum(piece.nbytes for piece in pieces))
        begun = written = 0
        for piece in pieces:
            file.write(piece)
            written += piece.nbytes
            if written - begun >= _BUFFER:
                file.flush()
                begin_to_sync(file.fileno(), begun, written - begun)
                begun = written
        file.flush()
        os.fsync(file.fileno())


def write_files(
    directory: Path, tensors: Mapping[str, Mapping[str, "Tensor"]], state: Mapping[str, Any]
) -> None:
    """Write a file for each group of tensors and one for the state, all at the same time.

    Raises:
        OSError: There is no room, or the disk fails.
    """
    pieces = {f"{stem}{SUFFIX}": tensor_pieces(part) for stem, part in tensors.items()}
    text = json.dumps(state, sort_keys=True, indent=1, allow_nan=False) + "\n"
    pieces[STATE_FILE] = [memoryview(text.encode())]
    with ThreadPoolExecutor(len(pieces)) as pool:
        writing = [pool.submit(write_pieces, directory / name, pieces[name]) for name in pieces]
        for each in writing:
            each.result()


def file_sha256(path: Path) -> tuple[str, int]:
    """Hex sha256 and length of a regular file, hashed where the page cache holds it.

    Raises:
        OSError: There is no such file, or the path is a symbolic link.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        length = os.fstat(descriptor).st_size
        if not length:
            return hashlib.sha256().hexdigest(), 0
        with mmap.mmap(descriptor, length, access=mmap.ACCESS_READ) as content:
            return hashlib.sha256(content).hexdigest(), length
    finally:
        os.close(descriptor)


def read_tensors(path: Path) -> dict[str, "Tensor"]:
    """The tensors of a safetensors file, on the CPU.

    They are private mappings of the file: bytes are read when they are used, writing into one
    changes only this process, and a file deleted meanwhile stays readable through them.

    Raises:
        CheckpointError: The file is not in the safetensors format.
    """
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415

    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise CheckpointError(
            f"{path} holds no tensors in the safetensors format: {error}",
            fix="use an older checkpoint; a pickle (.pt) is never read, it can run code",
            code="checkpoint_invalid",
        ) from error
