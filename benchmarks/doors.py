"""How many bytes the doors for agents cost: ``python benchmarks/doors.py [state=DIR]``.

Without a state directory, our smallest training is run once in a folder of its own (half a minute).
"""

import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from mcp import Client

from agents.__main__ import load_catalogue
from agents.mcp.server import make_server
from agents.mcp.tools import Toolkit

GOAL = {"goal": "trained_dit", "params": {"preset": "smoke"}}
WORDS = ["goal=trained_dit", "preset=smoke"]


def printed(folder: Path, *words: str) -> int:
    """What a command prints on stdout, in bytes."""
    command = [sys.executable, "-m", "agents", *words]
    return len(subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout)


async def sent(state: Path) -> dict[str, int]:
    """What each tool sends, in bytes: content, and structured content where there is any."""
    asked = {
        "goap_plan": GOAL,
        "goap_status": GOAL,
        "goap_status run=": {"run": "last"},
    }
    sizes = {}
    async with Client(make_server(Toolkit(load_catalogue, state))) as client:
        tools = (await client.list_tools()).tools
        listed = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]
        sizes[f"{len(listed)} tools with their schemas"] = len(json.dumps(listed).encode())
        for name, arguments in asked.items():
            answer = await client.call_tool(name.split()[0], arguments)
            whole = answer.model_dump(mode="json", by_alias=True, exclude_none=True)
            sizes[name] = len(json.dumps(whole, ensure_ascii=False).encode())
    return sizes


def main() -> None:
    """Print a table."""
    given = [word.removeprefix("state=") for word in sys.argv[1:] if word.startswith("state=")]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(given[0]).absolute().parent if given else Path(made)
        before = printed(folder, "plan", *WORDS, "--json")
        run = printed(folder, "run", *WORDS, "--json")
        rows = {"plan --json": before, "run --json": run}
        rows["show last --json"] = printed(folder, "show", "last", "--json")
        rows["show last"] = printed(folder, "show", "last")
        rows["status --json"] = printed(folder, "status", *WORDS, "--json")
        rows |= asyncio.run(sent(folder / ".goap"))
    for name, size in rows.items():
        print(f"| {name} | {size:,} |")


if __name__ == "__main__":
    main()
