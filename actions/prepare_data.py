"""prepare-data: photos become one checksummed shard on the volume."""

from actions.job import TrainingContext, manifest_of
from actions.ports import ports_of, translated
from actions.touched import DATASETS
from agents.declare.actions import Progress, action, sensor
from agents.declare.facts import Reading
from agents.declare.outcome import Artifact, Measurement, Outcome
from agents.errors import Interrupted
from goals.parameters import TrainingParameters
from goals.world import F
from training.data.origin import origin_of
from training.data.prepare import prepare
from training.data.shard import MANIFEST_FILE, DatasetManifest
from training.data.sources import fault_of, is_current, remember
from training.errors import DatasetError
from training.store.directory import dataset_name

__all__ = ["dataset_ready", "prepare_data"]


@sensor(F.dataset_ready, needs=F.auth_valid, parameters=TrainingParameters, timeout=10)
def dataset_ready(context: TrainingContext) -> Reading:
    """Ready when the shard on the volume was made from the photos as they are now."""
    params = context.params
    manifest = manifest_of(context)
    try:
        if manifest is None:
            origin_of(params.dataset).fingerprint()
            return Reading(False, f"{params.dataset} was not prepared on the volume yet")
        if not is_current(manifest, params.dataset):
            return Reading(False, f"{params.dataset} changed since it was prepared")
    except DatasetError as error:
        return Reading(False, error.message)
    volume = ports_of(context).volume
    fault = fault_of(volume, manifest)
    if fault:
        return Reading(False, fault)
    return Reading(True, _describe(manifest))


@action(
    needs=F.auth_valid,
    effect=F.dataset_ready,
    parameters=TrainingParameters,
    seconds=5,
    timeout=7200,
    touches=(DATASETS,),
)
def prepare_data(context: TrainingContext) -> Outcome:
    """Turn a folder of photos into one checksummed shard; bad files are skipped and counted."""
    params, ports = context.params, ports_of(context)

    def progress(what: str, done: int, total: int) -> None:
        if context.cancelled.is_set():
            raise Interrupted("preparing the photos was stopped", fix="run the same command again")
        context.progress(Progress(done, total, unit=what))

    with translated():
        manifest = prepare(
            params.dataset, ports.scratch, params.config().image_size, progress=progress
        )
        directory = dataset_name(manifest.digest)
        ports.volume.upload(ports.scratch, directory)
        # last, so that whoever reads it finds the dataset
        remember(ports.volume, origin_of(params.dataset), manifest)
    source = f"{directory}/{MANIFEST_FILE}"
    return Outcome(
        summary=_describe(manifest),
        measurements=(
            Measurement(name="images", value=manifest.images, source=source),
            Measurement(name="skipped", value=len(manifest.skipped), source=source),
        ),
        artifacts=tuple(
            Artifact(name=name, path=f"{directory}/{name}", sha256=digest)
            for name, digest in sorted(manifest.sha256.items())
        ),
        provenance={"dataset": manifest.digest, "dataset_kind": manifest.kind},
    )


def _describe(manifest: DatasetManifest) -> str:
    kind = "SYNTHETIC cats, not photos" if manifest.kind == "synthetic" else "photos"
    size = manifest.image_size
    count = len(manifest.classes)
    classes = "1 class" if count == 1 else f"{count} classes"
    text = f"{manifest.images:,} {kind}, {size}x{size}, {classes}"
    if manifest.skipped:
        reasons: dict[str, int] = {}
        for each in manifest.skipped:
            reasons[each.reason] = reasons.get(each.reason, 0) + 1
        listed = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        text += f"; skipped {len(manifest.skipped)}: {listed}"
    return text
