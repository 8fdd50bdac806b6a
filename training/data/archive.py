"""The Oxford-IIIT Pet archive: where it is and what it must be.

Apart from the code that downloads it, because that imports the network.
"""

from dataclasses import dataclass
from typing import Final

__all__ = ["ARCHIVE", "SHA256", "Archive"]

SHA256: Final = "67195c5e1c01f1ab5f9b6a5d22b8c27a580d896ece458917e61d459337fa318d"


@dataclass(frozen=True)
class Archive:
    """A tar file on the web, and the proof that it is the right one."""

    url: str
    bytes: int
    sha256: str


ARCHIVE: Final = Archive(
    "https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz", 791_918_971, SHA256
)
