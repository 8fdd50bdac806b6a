"""What this machine can do."""

import pytest
import torch

from training.learn.config import resolve
from training.learn.device import choose_device, has_fast_bf16, plain_attention_is_faster
from training.script.threads import suited_threads

CPU = torch.device("cpu")


def test_bf16_is_chosen_only_where_the_processor_multiplies_it() -> None:
    chosen = choose_device("auto", threads=1, device="cpu")
    assert chosen.dtype_name == ("bfloat16" if has_fast_bf16(CPU) else "float32")
    assert not chosen.is_gpu
    assert chosen.memory is None
    assert chosen.name


@pytest.mark.parametrize(("precision", "name"), [("fp32", "float32"), ("bf16", "bfloat16")])
def test_a_precision_that_is_asked_for_is_used(precision: str, name: str) -> None:
    chosen = choose_device(precision, threads=1, device="cpu")
    assert chosen.dtype_name == name
    with chosen.autocast():
        product = torch.ones(4, 4) @ torch.ones(4, 4)
    assert str(product.dtype) == f"torch.{name}"


def test_denormal_numbers_are_flushed_on_a_cpu() -> None:
    choose_device("fp32", threads=1, device="cpu")
    assert float(torch.tensor([1e-38]) / 100) == 0
    torch.set_flush_denormal(False)


def test_plain_attention_is_for_bf16_on_a_cpu_alone() -> None:
    assert plain_attention_is_faster(CPU, torch.bfloat16)
    assert not plain_attention_is_faster(CPU, torch.float32)
    assert not plain_attention_is_faster(torch.device("cuda"), torch.bfloat16)


def test_the_smallest_model_uses_one_thread_and_large_ones_what_there_is() -> None:
    assert suited_threads(resolve("dit", "smoke")) == 1
    assert suited_threads(resolve("dit", "dit128")) is None


def test_bf16_trains_too() -> None:
    """The whole step in bf16, emulated where the processor has none: slow, and still right."""
    from training.learn.config import Execution
    from training.learn.diffusion import DiffusionTask
    from training.learn.learner import Learner
    from training.learn.parallel import Group

    config = resolve("dit", "smoke", precision="bf16")
    device = choose_device("bf16", threads=1, device="cpu")
    learner = Learner(DiffusionTask(config, 1), config, Execution(), device, Group())
    images = torch.zeros(32, 16, 16, 3).uniform_(-1, 1)
    losses = [
        float(learner.advance(images, torch.zeros(32, dtype=torch.long)).tally.headline().loss)
        for _ in range(8)
    ]
    assert losses[-1] < losses[0]
    assert all(p.dtype is torch.float32 for p in learner.model.parameters())
