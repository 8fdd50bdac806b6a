"""An app with a web endpoint."""

import modal

app = modal.App("endpoint")


@app.function()
@modal.fastapi_endpoint()
def hello() -> str:
    """Served to whoever asks; not here."""
    return "hello"


@app.local_entrypoint()
def main() -> None:
    """Never comes to this."""
