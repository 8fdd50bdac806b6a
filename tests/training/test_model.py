"""TinyDiT: where patches go, what the condition does, how it starts."""

import pytest
import torch
from torch.nn import functional

from training.learn import dit as model_module
from training.learn.dit import (
    TIME_WAVES,
    TinyDiT,
    attention,
    patchify,
    sine_positions,
    time_waves,
    unpatchify,
)


def small_model(classes: int = 3) -> TinyDiT:
    torch.manual_seed(0)
    return TinyDiT(image_size=16, patch=4, dim=64, depth=2, heads=4, classes=classes)


def awake_model() -> TinyDiT:
    """A model without zeros: every input can reach the output."""
    model = small_model()
    for parameter in (model.modulation.weight, model.head.weight):
        torch.nn.init.normal_(parameter, std=0.1)
    return model


@pytest.mark.parametrize("patch", [1, 2, 4, 8, 16])
def test_unpatchify_undoes_patchify(patch: int) -> None:
    images = torch.randn(2, 16, 16, 3)
    assert torch.equal(unpatchify(patchify(images, patch), patch), images)


def test_a_token_writes_into_its_own_patch_and_nowhere_else() -> None:
    tokens = torch.zeros(1, 16, 4 * 4 * 3)
    tokens[0, 6] = 1
    image = unpatchify(tokens, 4)
    expected = torch.zeros(16, 16)
    expected[4:8, 8:12] = 1  # token 6 of a 4 x 4 grid is row 1, column 2
    assert torch.equal(image[0, :, :, 0], expected)


def test_a_token_is_one_square_patch_of_the_image() -> None:
    images = torch.arange(16 * 16 * 3, dtype=torch.float32).view(1, 16, 16, 3)
    assert torch.equal(patchify(images, 4)[0, 5], images[0, 4:8, 4:8].flatten())


def test_every_position_is_different() -> None:
    positions = sine_positions(8, 64)
    distances = torch.cdist(positions, positions) + torch.eye(64) * 1e3
    assert positions.shape == (64, 64)
    assert float(distances.min()) > 0.5


def test_moving_patches_about_is_not_the_same_as_moving_the_prediction_about() -> None:
    model, images = awake_model(), torch.randn(1, 16, 16, 3)
    time, label = torch.tensor([0.5]), torch.tensor([0])
    moved = images.roll(4, dims=1)
    with torch.no_grad():
        straight, after = model(images, time, label), model(moved, time, label)
    assert not torch.allclose(straight.roll(4, dims=1), after, atol=1e-3)


def test_times_are_stretched_to_the_range_the_sinusoid_is_made_for() -> None:
    waves = time_waves(torch.tensor([0.2, 0.25, 0.8]))
    likeness = functional.cosine_similarity(waves[:1], waves[1:])
    assert waves.shape == (3, TIME_WAVES)
    # Of times fed as 0 to 1 all but a few waves would be the same: a likeness of 0.99 and more.
    assert float(likeness.max()) < 0.9


def test_time_reaches_the_prediction() -> None:
    model, images, label = awake_model(), torch.randn(1, 16, 16, 3), torch.tensor([0])
    with torch.no_grad():
        early = model(images, torch.tensor([0.1]), label)
        late = model(images, torch.tensor([0.9]), label)
    assert float((early - late).abs().mean()) > 1e-2


def test_class_reaches_the_prediction_and_the_null_class_is_one_of_its_own() -> None:
    model, images, time = awake_model(), torch.randn(1, 16, 16, 3), torch.tensor([0.5])
    with torch.no_grad():
        answers = [model(images, time, torch.tensor([label])) for label in range(4)]
    assert model.null_class == 3
    assert all(not torch.equal(answers[3], answer) for answer in answers[:3])


def test_gates_are_zero_at_the_start_so_every_block_is_the_identity() -> None:
    model = small_model()
    tokens = torch.randn(2, 16, 64)
    condition = torch.randn(2, 1, 64)
    modulation = model.modulation(condition)[..., : 6 * 64]
    assert torch.equal(model.blocks[0](tokens, modulation), tokens)
    assert not model(torch.randn(2, 16, 16, 3), torch.rand(2), torch.tensor([0, 1])).any()


def test_every_parameter_is_learning_after_three_steps() -> None:
    model = small_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(4):
        optimizer.zero_grad()
        answer = model(torch.randn(8, 16, 16, 3), torch.rand(8), torch.arange(8) % 4)
        (answer - torch.randn(8, 16, 16, 3)).square().mean().backward()
        optimizer.step()
    still = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


def test_plain_and_fused_attention_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    qkv = torch.randn(2, 16, 3 * 64)
    fused = attention(qkv, heads=4)
    monkeypatch.setattr(model_module, "plain_attention_is_faster", lambda *_: True)
    assert torch.allclose(attention(qkv, heads=4), fused, atol=1e-5)
