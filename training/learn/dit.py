"""TinyDiT: a diffusion transformer that predicts the clean image from a noisy one.

The block is DiT's adaLN-Zero (Peebles & Xie, https://arxiv.org/abs/2212.09748). The output is the
clean image and not the velocity, as in JiT (https://arxiv.org/abs/2511.13720): a stream of `dim`
numbers per token can carry an image patch, which lies near a surface of few dimensions, but cannot
carry noise when `dim` is smaller than the patch.

Images are `[N, S, S, 3]` everywhere: that is how the shard stores them, and a patch is then one
reshape away.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.learn.device import plain_attention_is_faster

TIME_SCALE = 1000.0
"""The sinusoid below has its wavelengths made for times of 0 to 1000, the flow's time is 0 to 1."""

TIME_WAVES = 256


class TinyDiT(nn.Module):
    """A transformer over image patches, conditioned on time and class.

    Args:
        image_size: Side of the square image in pixels.
        patch: Side of a patch in pixels; divides `image_size`.
        dim: Width of the stream.
        depth: Number of blocks.
        heads: Attention heads; divides `dim`.
        classes: Number of real classes K. Index K is the null class.
    """

    def __init__(
        self, *, image_size: int, patch: int, dim: int, depth: int, heads: int, classes: int
    ) -> None:
        super().__init__()
        self.patch = patch
        self.classes = classes
        grid = image_size // patch
        self.embed = nn.Linear(patch * patch * 3, dim)
        self.register_buffer("positions", sine_positions(grid, dim), persistent=False)
        self.time = nn.Sequential(nn.Linear(TIME_WAVES, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.label = nn.Embedding(classes + 1, dim)
        self.blocks = nn.ModuleList(Block(dim, heads) for _ in range(depth))
        self.head = nn.Linear(dim, patch * patch * 3)
        # One matrix product gives shift, scale and gate of every block, and the head's shift and
        # scale.
        self.modulation = nn.Linear(dim, dim * (6 * depth + 2))
        self._initialise()

    @property
    def null_class(self) -> int:
        """Index of the class that means "no class given"."""
        return self.classes

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.label.weight, std=0.02)
        # adaLN-Zero: every block starts as the identity and the prediction starts at zero
        # (mid-grey).
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.head.weight)

    def forward(self, images: Tensor, time: Tensor, labels: Tensor) -> Tensor:
        """Return the predicted clean images.

        Args:
            images: Noisy images `[N, S, S, 3]`.
            time: `[N]` in [0, 1]; 0 is noise, 1 is the image.
            labels: `[N]` class indices; `null_class` for none.

        Returns:
            `[N, S, S, 3]`, in the scale of the images (-1 to 1).
        """
        tokens = self.embed(patchify(images, self.patch)) + self.positions
        condition = self.time(time_waves(time)) + self.label(labels)
        parts = self.modulation(functional.silu(condition)).unsqueeze(1)
        *blocks, head = parts.split(
            [6 * tokens.shape[-1]] * len(self.blocks) + [2 * tokens.shape[-1]], -1
        )
        for block, part in zip(self.blocks, blocks, strict=True):
            tokens = block(tokens, part)
        shift, scale = head.chunk(2, -1)
        return unpatchify(self.head(modulate(tokens, shift, scale)), self.patch)


class Block(nn.Module):
    """Attention and a two-layer network, each shifted, scaled and gated by the condition."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.up = nn.Linear(dim, 4 * dim)
        self.down = nn.Linear(4 * dim, dim)

    def forward(self, tokens: Tensor, modulation: Tensor) -> Tensor:
        """Return the tokens `[N, T, D]` after this block; `modulation` is `[N, 1, 6 D]`."""
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = modulation.chunk(6, -1)
        attended = self.out(attention(self.qkv(modulate(tokens, shift_a, scale_a)), self.heads))
        tokens = torch.addcmul(tokens, gate_a, attended)
        # The exact GELU: in bf16 a CPU takes four times as long for DiT's tanh approximation.
        hidden = functional.gelu(self.up(modulate(tokens, shift_m, scale_m)))
        return torch.addcmul(tokens, gate_m, self.down(hidden))


def modulate(tokens: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Return normalised tokens `[N, T, D]`, times `1 + scale`, plus `shift`; both `[N, 1, D]`."""
    normal = functional.layer_norm(tokens, tokens.shape[-1:], eps=1e-6)
    return torch.addcmul(shift, normal, 1 + scale)


def attention(qkv: Tensor, heads: int) -> Tensor:
    """Return self-attention of `[N, T, 3 D]` queries, keys and values as `[N, T, D]`."""
    batch, tokens, width = qkv.shape
    size = width // 3 // heads
    query, key, value = qkv.view(batch, tokens, 3, heads, size).permute(2, 0, 3, 1, 4).unbind(0)
    if plain_attention_is_faster(qkv.device, qkv.dtype):
        weights = (query * size**-0.5) @ key.transpose(-2, -1)
        mixed = weights.softmax(-1).to(value.dtype) @ value
    else:
        mixed = functional.scaled_dot_product_attention(query, key, value)
    joined: Tensor = mixed.transpose(1, 2).reshape(batch, tokens, width // 3)
    return joined


def patchify(images: Tensor, patch: int) -> Tensor:
    """Return `[N, S, S, 3]` images as `[N, T, patch * patch * 3]`: one token is one patch."""
    batch, size, _, channels = images.shape
    grid = size // patch
    split = images.reshape(batch, grid, patch, grid, patch, channels).transpose(2, 3)
    return split.reshape(batch, grid * grid, patch * patch * channels)


def unpatchify(tokens: Tensor, patch: int) -> Tensor:
    """Return the images that `patchify` would turn into these tokens."""
    batch, count, width = tokens.shape
    grid = math.isqrt(count)
    channels = width // (patch * patch)
    split = tokens.reshape(batch, grid, grid, patch, patch, channels).transpose(2, 3)
    return split.reshape(batch, grid * patch, grid * patch, channels)


def sine_positions(grid: int, dim: int) -> Tensor:
    """Return fixed positions `[grid * grid, dim]`: half the width is the row, half the column."""
    quarter = dim // 4
    rates = 10_000.0 ** -(torch.arange(quarter, dtype=torch.float64) / quarter)
    angles = torch.arange(grid, dtype=torch.float64)[:, None] * rates
    waves = torch.cat([angles.sin(), angles.cos()], 1)
    rows = waves[:, None, :].expand(grid, grid, -1)
    columns = waves[None, :, :].expand(grid, grid, -1)
    return torch.cat([rows, columns], -1).reshape(grid * grid, dim).float()


def time_waves(time: Tensor) -> Tensor:
    """Return `[N, TIME_WAVES]` sinusoids of times in [0, 1], first stretched to 0 to 1000."""
    half = TIME_WAVES // 2
    rates = torch.exp(-math.log(10_000.0) / half * torch.arange(half, device=time.device))
    angles = time.float()[:, None] * TIME_SCALE * rates
    return torch.cat([angles.cos(), angles.sin()], 1)
