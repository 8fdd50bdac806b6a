"""Counts which files a process opens for reading, where this folder is on ``PYTHONPATH``.

At its end a process of the engine appends one JSON object, path → count, to the file ``$READS``.
"""

import atexit
import json
import os
import sys
from collections import Counter

reads = Counter()


def count(event, args):
    """Count what is opened and not written."""
    if event != "open" or not isinstance(args[0], str) or not isinstance(args[2], int):
        return
    if not args[2] & (os.O_WRONLY | os.O_RDWR | os.O_DIRECTORY):
        reads[args[0]] += 1


def tell():
    with open(os.environ["READS"], "a", encoding="utf-8") as file:  # noqa: PTH123 - nothing imported
        file.write(json.dumps(dict(reads)) + "\n")


if sys.orig_argv[1:3] == ["-m", "agents"]:
    sys.addaudithook(count)
    atexit.register(tell)
