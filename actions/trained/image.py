"""build_…_image: what a declared training requires is there, proven before it is paid for."""

from actions.carried import refuted_by
from actions.ports import ports_of, translated
from actions.rates import PROVING, cost_on
from actions.trained.job import NotYet, TrainedContext, smoke_of, source_for
from actions.trained.names import Names, Part, after_of, prepares
from actions.trained.parameters import TrainedParameters
from agents.declare.actions import Cost
from agents.declare.facts import Condition, Reading
from agents.declare.outcome import Artifact, Outcome
from agents.errors import Permanent
from training.compute.recipe import proof_digest
from training.declare.order import recipe_of
from training.store.directory import proof_name

__all__ = ["Image"]

HERE_SECONDS, THERE_SECONDS = 5.0, 300.0


class Image(Part):
    """Proves that one training can run where it is to run."""

    def needs(self, _params: object) -> tuple[Condition, ...]:
        """Credentials; for a smoke training also the data and the first weights that it reads."""
        names, fact = Names(self.training.name), self.facts
        wanted = ["auth_valid"]
        if self.training.smoke:
            wanted += [names.fact("data")] if prepares(self.training) else []
            wanted += after_of(self.training)
        return tuple(fact[each] == True for each in wanted)  # noqa: E712

    def effect(self, _params: object) -> tuple[Condition, ...]:
        """The image is proven."""
        return (self.holds("image"),)

    def cost(self, params: TrainedParameters) -> Cost:
        """A moment here; minutes where an image is built."""
        seconds = THERE_SECONDS if params.compute == "modal" else HERE_SECONDS
        return cost_on(params.compute, PROVING, seconds)

    def look(self, context: TrainedContext) -> Reading:
        """Whether there is a proof, and no training refuted it since."""
        recipe, smoke = recipe_of(self.training), smoke_of(context, self.training)
        if isinstance(smoke, NotYet):
            return Reading(False, smoke.why)
        evidence = ports_of(context).compute.proof_of(recipe, smoke)
        if evidence is None:
            return Reading(False, f"no proof for image {recipe.fingerprint()[:12]}")
        names = Names(self.training.name)
        train, build = names.action("train"), names.action("build", "image")
        refuted = refuted_by(context.history(), train, build)
        if refuted:
            return Reading(False, f"the proof was refuted by a training: {refuted}")
        return Reading(True, evidence)

    def run(self, context: TrainedContext) -> Outcome:
        """Make the proof."""
        recipe, smoke = recipe_of(self.training), smoke_of(context, self.training)
        if isinstance(smoke, NotYet):
            raise Permanent(smoke.why, name="not_known_yet")
        with translated():
            evidence = ports_of(context).compute.prove(
                recipe,
                smoke,
                source_for(context, self.training),
                log=lambda line: context.note(log=line),
                cancelled=context.cancelled,
            )
        digest = proof_digest(recipe, smoke.key if smoke is not None else "")
        return Outcome(
            summary=evidence,
            artifacts=(Artifact(name="image", path=proof_name(digest)),),
            provenance={"image": recipe.fingerprint()},
        )
