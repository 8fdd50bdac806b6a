"""Trains a GPT-2 with random weights by the Trainer of Hugging Face, which keeps its own loop."""

import argparse

import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainerCallback, TrainingArguments

from training.contract import run


class Goap(TrainerCallback):
    """What the contract asks for: rows of metrics, saving when asked to stop, and stopping."""

    def on_train_begin(self, args, state, control, **_):
        self.steps = run.steps(state.global_step, state.max_steps)

    def on_step_begin(self, args, state, control, **_):
        next(self.steps, None)

    def on_step_end(self, args, state, control, **_):
        control.should_save = run.save_due(state.global_step, every=args.save_steps)
        control.should_training_stop |= bool(run.stopped)

    def on_log(self, args, state, control, logs=None, **_):
        numbers = {name: value for name, value in logs.items() if name in ("loss", "grad_norm")}
        if numbers:
            run.log(state.global_step, **numbers)


options = argparse.ArgumentParser()
options.add_argument("--steps", type=int, default=60)
options.add_argument("--lr", type=float, default=1e-2)
options = options.parse_args()

torch.manual_seed(0)
model = GPT2LMHeadModel(
    GPT2Config(vocab_size=32, n_positions=16, n_embd=32, n_layer=2, n_head=2, bos_token_id=0)
)
# sentences that count upwards from anywhere: what comes next can be learned
sentences = [[(start + place) % 32 for place in range(16)] for start in range(32)]
rows = [{"input_ids": codes, "labels": codes} for codes in sentences]

trainer = Trainer(
    model,
    TrainingArguments(
        output_dir=str(run.directory),
        max_steps=options.steps,
        learning_rate=options.lr,
        per_device_train_batch_size=8,
        logging_steps=5,
        save_steps=20,
        use_cpu=not torch.cuda.is_available(),
        report_to=[],
        disable_tqdm=True,
        seed=0,
    ),
    train_dataset=rows,
    eval_dataset=rows,
    callbacks=[Goap()],
)
checkpoint = run.resume()
trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
run.finish(val_loss=trainer.evaluate()["eval_loss"])
