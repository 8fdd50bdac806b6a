"""Answers about objects: environment, token, blobs, mounts, dicts, volumes, images."""

from __future__ import annotations  # older clients lack some of the messages named here

import asyncio
import base64
from collections.abc import AsyncIterator

from modal_proto import api_pb2 as pb

from training.compute.loopback.images import Image
from training.compute.loopback.messages import Empty, create_as, make
from training.compute.loopback.refusal import not_found
from training.compute.loopback.web import WHOSE
from training.compute.loopback.world import Peer, World

__all__ = ["Objects"]

BLOCK = 8 << 20
"""Bytes of a volume's file that one address gives, as the client expects."""

_Result = pb.GenericResult


class Objects:
    """The RPCs about things that are made and looked up by name.

    Args:
        world: The state.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    async def client_hello(self, _: Empty, __: Peer) -> pb.ClientHelloResponse:
        """A client is here."""
        return make(pb.ClientHelloResponse)

    async def token_info_get(
        self, _: pb.TokenInfoGetRequest, peer: Peer
    ) -> pb.TokenInfoGetResponse:
        """Whose token it is and when it ends."""
        token = peer.token
        answer = make(pb.TokenInfoGetResponse, workspace_name="loopback")
        if token is not None:
            answer.token_id = token.identity
            answer.expires_at.seconds = int(token.expires)
        return answer

    async def workspace_name_lookup(self, _: Empty, __: Peer) -> pb.WorkspaceNameLookupResponse:
        """Which workspace it is."""
        return make(pb.WorkspaceNameLookupResponse, workspace_name="loopback", username="loopback")

    async def environment_get_or_create(
        self, request: pb.EnvironmentGetOrCreateRequest, _: Peer
    ) -> pb.EnvironmentGetOrCreateResponse:
        """The one environment there is."""
        settings = make(pb.EnvironmentSettings, image_builder_version="2025.06")
        name = request.deployment_name or "main"
        metadata = make(pb.EnvironmentMetadata, name=name, settings=settings)
        return make(pb.EnvironmentGetOrCreateResponse, environment_id="en-main", metadata=metadata)

    async def blob_create(self, request: pb.BlobCreateRequest, peer: Peer) -> pb.BlobCreateResponse:
        """Where to put bytes; the id is their digest."""
        digest = base64.b64decode(request.content_sha256_base64).hex()
        identity, address = f"bl-{digest}", self._address(digest, peer)
        return make(
            pb.BlobCreateResponse,
            blob_ids=[identity],
            upload_urls=make(pb.UploadUrlList, items=[address]),
        )

    async def blob_get(self, request: pb.BlobGetRequest, peer: Peer) -> pb.BlobGetResponse:
        """Where to fetch bytes."""
        return make(pb.BlobGetResponse, download_url=self._address(request.blob_id[3:], peer))

    async def mount_batched_check_existence(
        self, request: pb.MountBatchedCheckExistenceRequest, _: Peer
    ) -> pb.MountBatchedCheckExistenceResponse:
        """Which files have to be sent."""
        missing = [each for each in request.sha256_hex_hashes if not self._world.blobs.has(each)]
        return make(pb.MountBatchedCheckExistenceResponse, missing_sha256_hex_hashes=missing)

    async def mount_put_file(
        self, request: pb.MountPutFileRequest, _: Peer
    ) -> pb.MountPutFileResponse:
        """A file's bytes, or the question whether they are here."""
        if request.WhichOneof("data_oneof") == "data":
            await asyncio.to_thread(self._world.blobs.put, request.data)
        return make(pb.MountPutFileResponse, exists=self._world.blobs.has(request.sha256_hex))

    async def mount_get_or_create(
        self, request: pb.MountGetOrCreateRequest, _: Peer
    ) -> pb.MountGetOrCreateResponse:
        """A mount of files; one that is asked for by name alone is the platform's, and empty."""
        files = {each.filename: (each.sha256_hex, each.mode) for each in request.files}
        identity = self._world.mounts.create(files)
        metadata = make(pb.MountHandleMetadata, content_checksum_sha256_hex=identity)
        return make(pb.MountGetOrCreateResponse, mount_id=identity, handle_metadata=metadata)

    async def dict_get_or_create(
        self, request: pb.DictGetOrCreateRequest, _: Peer
    ) -> pb.DictGetOrCreateResponse:
        """A dict by name."""
        name, create = create_as(request.deployment_name, request.object_creation_type)
        identity = self._world.dicts.open(name, create)
        metadata = make(pb.DictMetadata, name=request.deployment_name)
        return make(pb.DictGetOrCreateResponse, dict_id=identity, metadata=metadata)

    async def dict_get(self, request: pb.DictGetRequest, _: Peer) -> pb.DictGetResponse:
        """The value of a key."""
        value = self._world.dicts.get(request.dict_id, request.key)
        return make(pb.DictGetResponse, found=value is not None, value=value)

    async def dict_contains(
        self, request: pb.DictContainsRequest, _: Peer
    ) -> pb.DictContainsResponse:
        """Whether there is a key."""
        found = self._world.dicts.get(request.dict_id, request.key) is not None
        return make(pb.DictContainsResponse, found=found)

    async def dict_update(self, request: pb.DictUpdateRequest, _: Peer) -> pb.DictUpdateResponse:
        """Write entries, or only those that are new."""
        entries = {each.key: each.value for each in request.updates}
        created = self._world.dicts.update(request.dict_id, entries, request.if_not_exists)
        return make(pb.DictUpdateResponse, created=created)

    async def dict_pop(self, request: pb.DictPopRequest, _: Peer) -> pb.DictPopResponse:
        """Remove a key."""
        value = self._world.dicts.pop(request.dict_id, request.key)
        return make(pb.DictPopResponse, found=value is not None, value=value)

    async def dict_len(self, request: pb.DictLenRequest, _: Peer) -> pb.DictLenResponse:
        """How many entries."""
        return make(pb.DictLenResponse, len=len(self._world.dicts.entries(request.dict_id)))

    async def dict_contents(
        self, request: pb.DictContentsRequest, _: Peer
    ) -> AsyncIterator[pb.DictEntry]:
        """Every entry."""
        for key, value in self._world.dicts.entries(request.dict_id).items():
            yield make(pb.DictEntry, key=key, value=value)

    async def volume_get_or_create(
        self, request: pb.VolumeGetOrCreateRequest, _: Peer
    ) -> pb.VolumeGetOrCreateResponse:
        """A volume by name."""
        name, create = create_as(request.deployment_name, request.object_creation_type)
        identity = self._world.volumes.open(name, create)
        version = pb.VOLUME_FS_VERSION_V1
        metadata = make(pb.VolumeMetadata, version=version, name=request.deployment_name)
        return make(
            pb.VolumeGetOrCreateResponse, volume_id=identity, version=version, metadata=metadata
        )

    async def volume_delete(self, request: pb.VolumeDeleteRequest, _: Peer) -> Empty:
        """Delete a volume."""
        self._world.volumes.delete(request.volume_id)
        return Empty()

    async def volume_put_files(self, request: pb.VolumePutFilesRequest, _: Peer) -> Empty:
        """Files of a client, visible at once."""
        files = {each.filename: (each.sha256_hex, each.mode) for each in request.files}
        overwrite = not request.disallow_overwrite_existing_files
        self._world.volumes.put(request.volume_id, files, overwrite)
        return Empty()

    async def volume_list_files(
        self, request: pb.VolumeListFilesRequest, _: Peer
    ) -> AsyncIterator[pb.VolumeListFilesResponse]:
        """What lies in a directory."""
        found = self._world.volumes.list(request.volume_id, request.path, request.recursive)
        entries = [
            make(
                pb.FileEntry,
                path=path,
                type=pb.FileEntry.DIRECTORY if file is None else pb.FileEntry.FILE,
                size=0 if file is None else file.size,
                mtime=0 if file is None else file.time,
            )
            for path, file in found.items()
        ]
        yield make(pb.VolumeListFilesResponse, entries=entries)

    async def volume_get_file2(
        self, request: pb.VolumeGetFile2Request, peer: Peer
    ) -> pb.VolumeGetFile2Response:
        """Where to fetch a file or a range of it, in blocks; the first may begin inside one."""
        file = self._world.volumes.file(request.volume_id, request.path)
        start = min(request.start, file.size)
        length = min(request.len or file.size, file.size - start)
        address = self._address(file.digest, peer)
        urls, at, end = [], start, start + length
        while at < end:
            until = min(end, (at // BLOCK + 1) * BLOCK)
            urls.append(f"{address}&start={at}&length={until - at}")
            at = until
        return make(
            pb.VolumeGetFile2Response, get_urls=urls, size=file.size, start=start, len=length
        )

    async def volume_remove_file(self, request: pb.VolumeRemoveFileRequest, _: Peer) -> Empty:
        """Delete a file or a directory."""
        self._world.volumes.remove(request.volume_id, request.path, request.recursive)
        return Empty()

    async def image_get_or_create(
        self, request: pb.ImageGetOrCreateRequest, _: Peer
    ) -> pb.ImageGetOrCreateResponse:
        """An image by its recipe, built when it has to be."""
        image = await asyncio.to_thread(
            self._world.images.build, request.image, request.force_build
        )
        return make(
            pb.ImageGetOrCreateResponse,
            image_id=image.identity,
            result=_built(image),
            metadata=make(pb.ImageMetadata, image_builder_version="2025.06"),
        )

    async def image_join_streaming(
        self, request: pb.ImageJoinStreamingRequest, _: Peer
    ) -> AsyncIterator[pb.ImageJoinStreamingResponse]:
        """The end of a build; here it is always over."""
        image = self._world.images.get(request.image_id)
        yield make(pb.ImageJoinStreamingResponse, result=_built(image), eof=True)

    async def image_from_id(
        self, request: pb.ImageFromIdRequest, _: Peer
    ) -> pb.ImageFromIdResponse:
        """An image by id."""
        identity = self._world.images.get(request.image_id).identity
        metadata = make(pb.ImageMetadata, image_builder_version="2025.06")
        return make(pb.ImageFromIdResponse, image_id=identity, metadata=metadata)

    async def image_get_by_tag(
        self, request: pb.ImageGetByTagRequest, _: Peer
    ) -> pb.ImageGetByTagResponse:
        """An image by name."""
        return make(pb.ImageGetByTagResponse, image_id=self._world.images.named(request.tag))

    async def image_publish(
        self, request: pb.ImagePublishRequest, _: Peer
    ) -> pb.ImagePublishResponse:
        """Give an image a name."""
        self._world.images.publish(request.image_id, request.tag)
        return pb.ImagePublishResponse()

    def _address(self, digest: str, peer: Peer) -> str:
        try:
            self._world.blobs.path(digest)
        except ValueError as error:
            raise not_found(str(error)) from error
        whose = "container" if peer.container else WHOSE
        return f"{self._world.files}/blob/{digest}?{whose}="


def _built(image: Image) -> pb.GenericResult:
    failed = _Result.GENERIC_STATUS_FAILURE
    status = failed if image.error else _Result.GENERIC_STATUS_SUCCESS
    return make(_Result, status=status, exception=image.error)
