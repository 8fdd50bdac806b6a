"""build-image: an image that holds all that training needs, proven before anything is paid for."""

from collections.abc import Iterator
from contextlib import contextmanager

from actions.carried import refuted_by
from actions.job import TrainingContext
from actions.ports import ports_of, translated
from actions.rates import PROVING, cost_on
from actions.touched import IMAGES
from actions.training_cost import price
from agents.declare.actions import action, sensor
from agents.declare.facts import Reading
from agents.declare.outcome import Artifact, Outcome
from goals.parameters import TrainingParameters
from goals.world import F
from training.compute.image import not_installed
from training.compute.recipe import proof_digest
from training.errors import IMAGE_INCOMPLETE, INSTALL, ImageError
from training.own import own_recipe, own_source, smoke_of
from training.store.directory import proof_name

__all__ = ["build_image", "image_built"]


@sensor(F.image_built, needs=F.auth_valid, parameters=TrainingParameters, timeout=10)
def image_built(context: TrainingContext) -> Reading:
    """Built when there is a proof for the fingerprint of now, and no training refuted it since."""
    try:
        recipe, smoke = own_recipe(), smoke_of(own_source())
        evidence = ports_of(context).compute.proof_of(recipe, smoke)
        if evidence is None:
            return Reading(
                False, f"no proof for image {recipe.fingerprint()[:12]}{_lacking(context)}"
            )
    except ImageError as error:
        return Reading(False, f"{error.message}: {error.fix}")
    refuted = refuted_by(context.history(), "train", "build_image")
    if refuted:
        return Reading(False, f"the proof was refuted by a training: {refuted}")
    return Reading(True, evidence)


@action(
    needs=F.auth_valid,
    effect=F.image_built,
    cost=lambda params: cost_on(params.compute, PROVING, 10 if price(params) == 0 else 300),
    parameters=TrainingParameters,
    timeout=1800,
    touches=(IMAGES,),
)
def build_image(context: TrainingContext) -> Outcome:
    """Prove that the image imports every training module and takes two training steps."""
    with translated(), _with_the_extra(context):
        recipe, source = own_recipe(), own_source()
        smoke = smoke_of(source)
        evidence = ports_of(context).compute.prove(
            recipe,
            smoke,
            source,
            log=lambda line: context.note(log=line),
            cancelled=context.cancelled,
        )
    return Outcome(
        summary=evidence,
        artifacts=(Artifact(name="image", path=proof_name(proof_digest(recipe, smoke.key))),),
        provenance={"image": recipe.fingerprint()},
    )


def _lacking(context: TrainingContext) -> str:
    """What our models need and this environment does not hold, where they are to run in it."""
    names = not_installed() if context.params.compute == "local" else ()
    return f"; not installed here: {', '.join(names)}: {INSTALL}" if names else ""


@contextmanager
def _with_the_extra(context: TrainingContext) -> Iterator[None]:
    """Name the extra of this package that brings all that our models need, before single pins."""
    try:
        yield
    except ImageError as error:
        if error.code != IMAGE_INCOMPLETE or not _lacking(context):
            raise
        fix = f"{INSTALL}; or {error.fix}"
        raise ImageError(error.message, fix=fix, code=error.code) from error
