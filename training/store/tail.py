"""The whole lines that a file of a volume gets while somebody writes it, each read once."""

from dataclasses import dataclass

from training.store.volume import Volume

__all__ = ["Tail"]


@dataclass
class Tail:
    """What is new in a file.

    Attributes:
        volume: Where it is.
        name: The file.
        at: How many bytes of it were read; less than before where it was begun anew.
    """

    volume: Volume
    name: str
    at: int = 0

    def read(self) -> bytes:
        """The whole lines that are new; empty where there are none, or no such file."""
        size = self.volume.size(self.name)
        if size is None or size == self.at:
            return b""
        if size < self.at:
            self.at = 0  # the volume was emptied, and the file began anew
        content = self.volume.read_range(self.name, self.at)
        whole = content[: content.rfind(b"\n") + 1]
        self.at += len(whole)
        return whole
