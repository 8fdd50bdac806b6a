"""``python -m training.compute.loopback serve|do``: run a control plane, or break it."""

import argparse
import json
import sys
from pathlib import Path

from training.compute.loopback.client import find
from training.errors import TrainingError

WORDS = (
    *(
        "bill",
        "bucket",
        "clear",
        "expire",
        "fault",
        "forget",
        "image_fails",
        "kill",
        "limits",
        "rates",
        "revoke",
    ),
    *("secret", "state", "stop", "token", "unmount"),
)
DETAILS = (
    *(
        "after",
        "call",
        "expires",
        "fate",
        "folder",
        "identity",
        "kind",
        "message",
        "rank",
        "rpc",
        "seconds",
    ),
    *("name", "refusal", "secret", "status", "times", "usd_per_hour", "values", "why"),
    *("caller", "client", "containers", "grace", "idle", "retry_scale"),
    *("own_cancel", "queue", "starts"),
)
"""What `do` takes; prices are named as `modal billing rates` names them: ``…_hour_cost…``."""


def main() -> int:
    """Parse the command line and do it; returns the exit code."""
    arguments = _parser().parse_args()
    return _serve(arguments) if arguments.command == "serve" else _do(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.compute.loopback", description=__doc__
    )
    commands = parser.add_subparsers(dest="command", required=True)
    server = commands.add_parser("serve", help="serve until stopped")
    server.add_argument("--grace", type=float, default=30.0, help="seconds before SIGKILL")
    server.add_argument("--retry-scale", type=float, default=1.0, help="factor on retry delays")
    server.add_argument("--containers", type=int, default=4, help="how many at once")
    server.add_argument("--idle", type=float, default=600.0, help="end when unused so long")
    action = commands.add_parser("do", help="state, fault, kill, expire, token, revoke, stop …")
    action.add_argument("what", choices=WORDS)
    action.add_argument(
        "details", nargs="*", type=_detail, help="name=value, the value as JSON or as text"
    )
    for each in (server, action):
        each.add_argument("--state", type=Path, required=True, help="its directory")
    return parser


def _detail(word: str) -> str:
    name, equals, _ = word.partition("=")
    if not equals or (name not in DETAILS and "_hour_cost" not in name):
        raise argparse.ArgumentTypeError(f"{word!r} is not NAME=VALUE with one of {DETAILS}")
    return word


def _serve(arguments: argparse.Namespace) -> int:
    from training.compute.loopback.limits import Limits  # noqa: PLC0415 - imports the modal client
    from training.compute.loopback.server import serve  # noqa: PLC0415 - likewise

    limits = Limits(grace=arguments.grace, containers=arguments.containers)
    serve(arguments.state.absolute(), limits, arguments.retry_scale, arguments.idle)
    return 0


def _do(arguments: argparse.Namespace) -> int:
    plane = find(arguments.state.absolute())
    if plane is None:
        sys.stderr.write(f"no control plane serves {arguments.state}\n")
        return 3
    details = dict(word.split("=", 1) for word in arguments.details)
    if "folder" in details:
        details["folder"] = str(Path(details["folder"]).absolute())
    try:
        state = plane.do(arguments.what, **{name: _value(text) for name, text in details.items()})
    except TrainingError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    sys.stdout.write(json.dumps(state, indent=2) + "\n")
    return 0


def _value(text: str) -> object:
    try:
        value: object = json.loads(text)
    except ValueError:
        return text
    return value


if __name__ == "__main__":
    sys.exit(main())
