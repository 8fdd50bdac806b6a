"""Fits a small network with Lightning, which keeps its own loop."""

import argparse

import lightning
import torch
from torch.utils.data import DataLoader, TensorDataset

from training.contract import run


class Goap(lightning.Callback):
    """What the contract asks for: rows of metrics, whole checkpoints, and stopping."""

    def on_train_start(self, trainer, module):
        self.steps = run.steps(trainer.global_step, trainer.max_steps)

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        next(self.steps, None)

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        step = trainer.global_step
        run.log(step, loss=outputs["loss"])
        if run.save_due(step, every=20):
            with run.checkpoint(step) as directory:
                trainer.save_checkpoint(directory / "model.ckpt")
        if run.stopped:
            trainer.should_stop = True


class Line(lightning.LightningModule):
    def __init__(self, lr):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.lr = lr

    def training_step(self, batch, _):
        x, y = batch
        return torch.nn.functional.mse_loss(self.layer(x), y)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr)


options = argparse.ArgumentParser()
options.add_argument("--steps", type=int, default=80)
options.add_argument("--lr", type=float, default=0.1)
options = options.parse_args()

lightning.seed_everything(0)
x = torch.linspace(-1, 1, 64).unsqueeze(1)
batches = DataLoader(TensorDataset(x, 3 * x + 1), batch_size=8)
model = Line(options.lr)
checkpoint = run.resume()
trainer = lightning.Trainer(
    max_steps=options.steps,
    accelerator="auto",
    callbacks=[Goap()],
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
)
trainer.fit(model, batches, ckpt_path=checkpoint / "model.ckpt" if checkpoint else None)
with torch.no_grad():
    run.finish(val_loss=torch.nn.functional.mse_loss(model.layer(x), 3 * x + 1))
