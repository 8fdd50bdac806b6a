"""Answers about secrets."""

from __future__ import annotations  # older clients lack some of the messages named here

from modal_proto import api_pb2 as pb

from training.compute.loopback.messages import Empty, make
from training.compute.loopback.world import Peer, World

__all__ = ["SecretAnswers"]


class SecretAnswers:
    """The RPCs that keep, name and list secrets; none gives their values back.

    Args:
        world: The state.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    async def secret_get_or_create(
        self, request: pb.SecretGetOrCreateRequest, _: Peer
    ) -> pb.SecretGetOrCreateResponse:
        """A secret by name, made where that is asked for; or values without a name."""
        secrets, values = self._world.secrets, dict(request.env_dict)
        asked, name = request.object_creation_type, request.deployment_name
        if asked == pb.OBJECT_CREATION_TYPE_UNSPECIFIED:
            identity = secrets.named(name, list(request.required_keys))
        elif name:
            identity = secrets.create(
                name,
                values,
                overwrite=asked == pb.OBJECT_CREATION_TYPE_CREATE_OVERWRITE_IF_EXISTS,
                fail=asked == pb.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS,
            )
        else:
            identity = secrets.unnamed(values)
        metadata = self._metadata(name, identity)
        return make(pb.SecretGetOrCreateResponse, secret_id=identity, metadata=metadata)

    async def secret_list(self, _: pb.SecretListRequest, __: Peer) -> pb.SecretListResponse:
        """The names."""
        items = [
            make(
                pb.SecretListItem,
                label=name,
                secret_id=identity,
                environment_name="main",
                metadata=self._metadata(name, identity),
            )
            for name, identity in self._world.secrets.names().items()
        ]
        return make(pb.SecretListResponse, items=items, environment_name="main")

    async def secret_delete(self, request: pb.SecretDeleteRequest, _: Peer) -> Empty:
        """Forget one."""
        self._world.secrets.delete(request.secret_id)
        return Empty()

    def _metadata(self, name: str, identity: str) -> pb.SecretMetadata:
        keys = sorted(self._world.secrets.values(identity))
        return make(pb.SecretMetadata, name=name, keys=keys, environment_name="main")
