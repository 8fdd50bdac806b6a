"""The model, its optimizer and its averages, and the one step that changes all three."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from training.errors import OutOfMemory
from training.learn.config import Execution, TrainingConfig
from training.learn.device import Device
from training.learn.ema import Averages
from training.learn.learning_rate import learning_rate
from training.learn.parallel import Group
from training.learn.tally import Tally
from training.learn.task import Draws, Task

MOMENTS = ("exp_avg", "exp_avg_sq")
"""What AdamW remembers of a parameter, beside the number of updates, which is the step."""


@dataclass(frozen=True)
class StepReport:
    """What one step did.

    Attributes:
        tally: Its numbers, still on the device: reading them waits for it.
        rate: The learning rate used.
        images: Images learned from, on all ranks.
    """

    tally: Tally
    rate: float
    images: int


class Learner:
    """Everything that training changes.

    Args:
        task: Which model, which loss.
        config: What to train.
        execution: How to run it.
        device: Where.
        group: The processes that train together.
    """

    def __init__(
        self, task: Task, config: TrainingConfig, execution: Execution, device: Device, group: Group
    ) -> None:
        self.config, self.device, self.group, self.task = config, device, group, task
        self.step = 0
        self._size = group.share(config.batch)
        self._micro = min(execution.micro_batch or self._size, self._size)
        # The first weights are drawn on the CPU, so that they are the same on every device.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.model = task.build().to(device.torch_device)
        self._predict = group.wrap(self._compiled(execution))
        self._optimizer = torch.optim.AdamW(
            self._groups(), lr=config.learning_rate, betas=config.betas, fused=True
        )
        self._start_moments()
        self.averages = Averages(self.model, config.ema_stds)

    @property
    def micro_batch(self) -> int:
        """Images of this rank that go through the model at the same time."""
        return self._micro

    @property
    def batch(self) -> int:
        """Images of this rank in one step."""
        return self._size

    def draws(self) -> Draws:
        """Return the random numbers of the next step."""
        return Draws(self.config.seed, self.step, self.group.rank, self.device.torch_device)

    def advance(self, images: Tensor, labels: Tensor) -> StepReport:
        """Learn from one batch.

        Raises:
            OutOfMemory: The batch does not fit; nothing was changed.
        """
        try:
            return self._advance(images, labels)
        except (RuntimeError, MemoryError) as error:
            if is_out_of_memory(error):
                self._optimizer.zero_grad()
                raise out_of_memory(self._micro) from error
            raise

    def _advance(self, images: Tensor, labels: Tensor) -> StepReport:
        inputs = self.task.draw(images, labels, self.draws())
        pieces = list(zip(*(torch.split(part, self._micro) for part in inputs), strict=True))
        tally = Tally.empty(self.device.torch_device)
        for index, piece in enumerate(pieces):
            share = len(piece[0]) / len(images)
            with self.group.accumulating(self._predict, last=index == len(pieces) - 1):
                with self.device.autocast():
                    found = self.task.loss(self._predict, piece)
                loss = found.per_image.mean() * share
                torch.autograd.backward(loss)
            tally.add_piece(found, loss.detach(), share)
        tally.set_norm(
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip, foreach=True)
        )
        rate = self._rate()
        self._apply(rate)
        return StepReport(tally, rate, len(images) * self.group.ranks)

    def _apply(self, rate: float) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        self._optimizer.zero_grad()
        self.averages.update(self.step + 1)
        self.step += 1

    def _rate(self) -> float:
        return learning_rate(
            self.step,
            peak=self.config.learning_rate,
            steps=self.config.steps,
            warmup_steps=self.config.warmup_steps,
            constant_until=self.config.constant_until,
        )

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """Return the live tensors a checkpoint needs, by file name and tensor name."""
        names: dict[Tensor, str] = {p: name for name, p in self.model.named_parameters()}
        moments = {
            f"{kind}.{names[parameter]}": state[kind]
            for parameter, state in self._optimizer.state.items()
            for kind in MOMENTS
        }
        model: dict[str, Tensor] = dict(self.model.named_parameters())
        return {"model": model, **self.averages.tensors(), "optimizer": moments}

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Mapping[str, Tensor]], step: int) -> None:
        """Continue from what `tensors` returned after `step`."""
        for name, parameter in self.model.named_parameters():
            parameter.copy_(tensors["model"][name])
            state = self._optimizer.state[parameter]
            for kind in MOMENTS:
                state[kind].copy_(tensors["optimizer"][f"{kind}.{name}"])
            state["step"].fill_(step)
        self.averages.load(tensors)
        self.step = step

    def _start_moments(self) -> None:
        """Make the optimizer's state now; it would be made in the first step.

        So a checkpoint has the same tensors at every step, and a place to load them into.
        """
        for parameter in self.model.parameters():
            updates = torch.zeros((), dtype=torch.float32, device=parameter.device)
            moments = {kind: torch.zeros_like(parameter) for kind in MOMENTS}
            self._optimizer.state[parameter] = {"step": updates, **moments}

    @contextmanager
    def averaged(self) -> Iterator[nn.Module]:
        """Give the model the weights of the first average inside the block, without a copy."""
        swap = self.averages.swap
        swap()
        self.model.eval()
        try:
            yield self.model
        finally:
            self.model.train()
            swap()

    def _compiled(self, execution: Execution) -> nn.Module:
        wanted = self.device.is_gpu if execution.compile is None else execution.compile
        if not wanted:
            return self.model
        return cast("nn.Module", torch.compile(self.model, dynamic=False))

    def _groups(self) -> list[dict[str, object]]:
        # Decay pulls weights of products towards zero; biases and norms have nothing to gain from
        # that.
        parameters = list(self.model.parameters())
        return [
            {
                "params": [p for p in parameters if p.ndim > 1],
                "weight_decay": self.config.weight_decay,
            },
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that there is no memory left, on any device."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return "can't allocate memory" in str(error) or "not enough memory" in str(error)


def out_of_memory(micro_batch: int) -> OutOfMemory:
    """Return the error that says which smaller micro-batch to try."""
    smaller = max(1, micro_batch // 2)
    return OutOfMemory(
        f"no memory for a micro-batch of {micro_batch} images",
        fix=f'put {{"micro_batch": {smaller}}} into adjustments.json and start the training again',
    )
