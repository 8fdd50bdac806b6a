"""Two processes fit one line together: each has half of the points, and gradients are shared."""

import argparse

import torch
import torch.distributed as together
from torch.nn.parallel import DistributedDataParallel

from training.contract import run

options = argparse.ArgumentParser()
options.add_argument("--steps", type=int, default=60)
options = options.parse_args()

together.init_process_group("gloo")
torch.manual_seed(0)
torch.set_num_threads(1)
layer = torch.nn.Linear(1, 1)
if checkpoint := run.resume():
    layer.load_state_dict(torch.load(checkpoint / "line.pt"))
model = DistributedDataParallel(layer)
optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
points = torch.linspace(-1, 1, 64)[together.get_rank() :: together.get_world_size()].unsqueeze(1)

for step in run.steps(run.step, options.steps):
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(model(points), 3 * points + 1)
    loss.backward()
    optimizer.step()
    run.log(step, loss=loss)
    if run.save_due(step, every=20):
        with run.checkpoint(step) as directory:
            torch.save(layer.state_dict(), directory / "line.pt")
run.finish(val_loss=loss)
together.destroy_process_group()
