"""build-image: an image that holds all that training needs, proven before anything is paid for."""

from actions.ports import ports_of, translated
from actions.training_cost import basis, price
from agents.actions import Context, Cost, action, sensor
from agents.facts import Reading
from agents.outcome import Artifact, Outcome
from goals.world import F

__all__ = ["build_image", "image_built"]


@sensor(F.image_built, needs=F.auth_valid, timeout=10)
def image_built(context: Context) -> Reading:
    """Built when there is a proof for the fingerprint of now."""
    compute = ports_of(context).compute
    evidence = compute.image_status()
    if evidence is None:
        return Reading(False, f"no proof for image {compute.image_fingerprint()[:12]}")
    return Reading(True, evidence)


@action(
    needs=F.auth_valid,
    effect=F.image_built,
    cost=lambda params: Cost(10 if price(params) == 0 else 300, price(params), basis(params)),
    timeout=1800,
)
def build_image(context: Context) -> Outcome:
    """Prove that the image imports every training module and takes two training steps."""
    compute = ports_of(context).compute
    fingerprint = compute.image_fingerprint()
    with translated():
        evidence = compute.build_image(
            log=lambda line: context.note({"log": line}), cancelled=context.cancelled
        )
    return Outcome(
        summary=evidence,
        artifacts=(Artifact(name="image", path=f"images/{fingerprint}.json"),),
        provenance={"image": fingerprint},
    )
