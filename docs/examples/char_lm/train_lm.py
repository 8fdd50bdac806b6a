"""Trains a small character-level language model on a text file."""

import argparse
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from training.contract import run

CONTEXT = 16

options = argparse.ArgumentParser()
options.add_argument("--steps", type=int, default=300)
options.add_argument("--lr", type=float, default=3e-3)
options.add_argument("--width", type=int, default=64)
options = options.parse_args()

torch.manual_seed(0)
torch.set_num_threads(1)  # more of them only wait for each other in so small a model
text = Path("input.txt").read_text(encoding="utf-8")
letters = sorted(set(text))
codes = torch.tensor([letters.index(letter) for letter in text])
split = len(codes) * 9 // 10


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(len(letters), options.width)
        self.cell = nn.GRU(options.width, options.width, batch_first=True)
        self.read = nn.Linear(options.width, len(letters))

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        return self.read(self.cell(self.embed(codes))[0])


def loss_on(codes: torch.Tensor, starts: torch.Tensor) -> torch.Tensor:
    windows = torch.stack([codes[start : start + CONTEXT + 1] for start in starts])
    scores = model(windows[:, :-1])
    return functional.cross_entropy(scores.flatten(0, 1), windows[:, 1:].flatten())


model = Model()
optimizer = torch.optim.AdamW(model.parameters(), lr=options.lr)
if checkpoint := run.resume():
    state = torch.load(checkpoint / "state.pt")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])

for step in run.steps(run.step, options.steps):
    random = torch.Generator().manual_seed(step)  # of the step alone: who resumes draws the same
    loss = loss_on(codes, torch.randint(split - CONTEXT - 1, (32,), generator=random))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    run.log(step, loss=loss)
    if run.save_due(step, every=50):
        with run.checkpoint(step) as directory:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save(state, directory / "state.pt")

with torch.no_grad():
    held_out = loss_on(codes, torch.arange(split, len(codes) - CONTEXT - 1, CONTEXT))
run.finish(val_loss=held_out)
