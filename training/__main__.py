"""`python -m training COMMAND`: train, look at what there is, and take it out.

Exit codes: 0 done; 1 failed, or a gate was not passed; 2 usage; 3 no memory or no disk; 7 another
process trains this; 75 interrupted, start it again to go on.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from training.errors import INSTALL, TrainingError
from training.learn.presets import PRESETS
from training.track.names import TRACKERS

EXIT_FAILED = 1
EXIT_RESOURCE = 3
EXIT_LOCKED = 7
EXIT_INTERRUPTED = 75

_TRAIN = ("torch", "numpy", "PIL", "safetensors")
"""What the extra ``[train]`` installs, by the names it is imported by."""

_PRESET_NAMES = sorted({preset for presets in PRESETS.values() for preset in presets})
_EXIT_CODES = {"resource": EXIT_RESOURCE, "interrupted": EXIT_INTERRUPTED}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    # Read once, when torch is imported. Idle threads that spin take the core from other processes;
    # threads that never spin make two slower than one. This is a tenth of a millisecond of it.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    options = parser_called(_program()).parse_args(arguments)
    try:
        from training import commands  # noqa: PLC0415 - `--help` should not wait for torch

        commands.open_volume(options.volume)
        code: int = getattr(commands, f"{options.command}_command")(options)
    except TrainingError as error:
        sys.stderr.write(f"error: {error}\n")
        if error.code == "already_running":
            return EXIT_LOCKED
        return _EXIT_CODES.get(error.failure_class, EXIT_FAILED)
    except OSError as error:
        where = "" if error.filename is None else f"{error.filename}: "
        sys.stderr.write(f"error: {where}{error.strerror or error}\n")
        return EXIT_FAILED
    except ModuleNotFoundError as error:
        if error.name not in _TRAIN:
            raise
        sys.stderr.write(f"error: {error.name} is not installed\n  fix: {INSTALL}\n")
        return EXIT_FAILED
    return code


def parser_called(program: str) -> argparse.ArgumentParser:
    """What reads the words after ``program``, as which it speaks of itself."""
    parser = argparse.ArgumentParser(
        prog=program, description="Train TinyDiT or the breed classifier."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    volume = argparse.ArgumentParser(add_help=False)
    volume.add_argument("--volume", type=Path, default=Path("volume"), help="default: ./volume")
    one = argparse.ArgumentParser(add_help=False, parents=[volume])
    one.add_argument("--key", required=True, help="the training key")
    _add_train(commands, volume)
    prepare = commands.add_parser("prepare", parents=[volume], help="turn photos into a dataset")
    prepare.add_argument("source", nargs="?", default="synthetic", help="folder, pets or synthetic")
    prepare.add_argument("--image-size", type=_positive, default=32)
    commands.add_parser("list", parents=[volume], help="trainings and their checkpoints")
    verify = commands.add_parser("verify", parents=[volume], help="check every byte")
    verify.add_argument("--key", help="one training; all of them without it")
    prune = commands.add_parser("prune", parents=[one], help="delete checkpoints not to be kept")
    prune.add_argument("--dry-run", action="store_true", help="only say what would be deleted")
    export = commands.add_parser("export", parents=[one], help="write the averaged weights alone")
    export.add_argument("out", type=Path, help="a .safetensors file")
    export.add_argument("--average", default="ema", help="which average; default: ema")
    export.add_argument("--step", type=_positive, help="this checkpoint and no other one")
    _add_sample(commands, one)
    pin = commands.add_parser("pin", parents=[one], help="keep a checkpoint, whatever the policy")
    pin.add_argument("step", type=int, help="its step, as `list` shows it")
    pin.add_argument("--remove", action="store_true", help="let it go again")
    stop = commands.add_parser("stop", parents=[one], help="ask a running training to save and end")
    stop.add_argument("--compute", choices=("local", "modal", "loopback"), default="local")
    stop.add_argument("--state", type=Path, help="directory of the loopback control plane")
    return parser


def _program() -> str:
    """What this is called: ``goap training`` where `goap` passed it on."""
    return "goap training" if sys.argv[1:2] == ["training"] else "python -m training"


def _positive(text: str) -> int:
    """Read a number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number from 1 on")
    return int(text)


def _add_train(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", volume: argparse.ArgumentParser
) -> None:
    train = commands.add_parser("train", parents=[volume], help="train, or go on training")
    train.add_argument("--key", help="a training on the volume; without it one is made from:")
    train.add_argument("--model", choices=("dit", "classifier"), default="dit")
    train.add_argument("--preset", default="tiny", choices=_PRESET_NAMES)
    train.add_argument("--data", default="synthetic", help="folder, pets or synthetic")
    train.add_argument("--lock-fd", type=int, help="descriptor of the lock the parent has taken")
    train.add_argument("--deadline", type=float, help="save and end after so many seconds")
    train.add_argument(
        "--processes", type=_positive, default=1, help="share each batch among so many; default: 1"
    )
    train.add_argument("--track", choices=TRACKERS, help="show metrics and samples there as well")
    train.add_argument("settings", nargs="*", metavar="NAME=VALUE", help="changes to the preset")


def _add_sample(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", one: argparse.ArgumentParser
) -> None:
    sample = commands.add_parser("sample", parents=[one], help="draw cats with a trained model")
    sample.add_argument("out", type=Path, help="a .png file")
    sample.add_argument("--count", type=_positive, default=16)
    sample.add_argument("--step", type=_positive, help="this checkpoint and no other one")
    sample.add_argument("--seed", type=int, default=0)
    sample.add_argument("--label", help="a class; all in turn without it")
    sample.add_argument("--guidance", type=float, help="1: as learned; more exaggerates the class")
    sample.add_argument("--sampler", choices=("heun", "euler"))
    sample.add_argument("--steps", type=_positive)


if __name__ == "__main__":
    sys.exit(main())
