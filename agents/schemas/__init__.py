"""JSON Schemas of everything the toolkit prints and takes; the files here are committed.

``make schemas`` writes them again; a test fails when they are not what the models say.
"""

from agents.schemas.export import schemas, write_schemas

__all__ = ["schemas", "write_schemas"]
