"""Answers about the names of images: who has one, and that it is taken away."""

from __future__ import annotations  # older clients lack some of the messages named here

from modal_proto import api_pb2 as pb

from training.compute.loopback.messages import Empty, make
from training.compute.loopback.refusal import not_found
from training.compute.loopback.world import Peer, World

__all__ = ["ImageAnswers"]


class ImageAnswers:
    """The RPCs about names of images.

    Args:
        world: The state.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    async def image_list_tags(
        self, request: pb.ImageListTagsRequest, _: Peer
    ) -> pb.ImageListTagsResponse:
        """The names that begin so, all on one page."""
        items = [
            make(
                pb.ImageListTagsItem,
                tag=name.rpartition("/")[2],
                image_id=image,
                created_at=published,
                updated_at=published,
            )
            for name, image, published in self._world.images.published()
            if name.rpartition("/")[2].startswith(request.tag_prefix)
        ]
        return make(pb.ImageListTagsResponse, items=items, environment_name="main")

    async def image_name_delete(self, request: pb.ImageNameDeleteRequest, _: Peer) -> Empty:
        """Take the name from an image, which stays."""
        if not self._world.images.unpublish(request.tag):
            raise not_found(f"Image {request.tag!r} does not exist")
        return Empty()
