"""Fits a line to points. Nothing here knows of goap: it has flags, as many scripts do."""

import argparse
import json
import random
from pathlib import Path

options = argparse.ArgumentParser()
options.add_argument("--output-dir", type=Path, required=True)
options.add_argument("--resume-from-checkpoint", type=Path)
options.add_argument("--max-steps", type=int, default=200)
options.add_argument("--learning-rate", type=float, default=0.05)
options.add_argument("--save-steps", type=int, default=50)
options = options.parse_args()

step, slope, offset = 0, 0.0, 0.0
if options.resume_from_checkpoint:
    state = json.loads((options.resume_from_checkpoint / "trainer_state.json").read_text())
    step, slope, offset = state["global_step"], state["slope"], state["offset"]

while step < options.max_steps:
    step += 1
    x = random.Random(step).uniform(-1, 1)
    error = slope * x + offset - (3 * x + 1)
    slope -= options.learning_rate * 2 * error * x
    offset -= options.learning_rate * 2 * error
    if step % 10 == 0:
        print(f"step {step}: loss={error**2:.6f} slope={slope:.3f}", flush=True)
    if step % options.save_steps == 0:
        checkpoint = options.output_dir / f"checkpoint-{step}"
        checkpoint.mkdir(parents=True, exist_ok=True)
        (checkpoint / "weights.json").write_text(json.dumps([slope, offset]))
        state = {"global_step": step, "slope": slope, "offset": offset}
        (checkpoint / "trainer_state.json").write_text(json.dumps(state))

results = {"eval_loss": (slope - 3) ** 2 + (offset - 1) ** 2, "train_steps": step}
(options.output_dir / "all_results.json").write_text(json.dumps(results))
