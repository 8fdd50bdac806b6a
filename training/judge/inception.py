"""Where the network for FID is, and which file is meant; imports nothing."""

from typing import Final

__all__ = ["INCEPTION_SHA256", "INCEPTION_URL"]

INCEPTION_URL: Final = (
    "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/"
    "inception-2015-12-05.pt"
)
INCEPTION_SHA256: Final = "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4"
