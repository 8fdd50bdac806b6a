"""The project's own catalogue."""

import pytest

from agents.__main__ import load_catalogue
from agents.declare.catalogue import Catalogue


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """What this project declares."""
    return load_catalogue()
