"""Apps and functions: what was deployed under which name, and what runs only as long as its client.

A function's definition keeps its id from one deployment to the next, as the client expects; a call
keeps the definition it was made with.
"""

import base64
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from modal_proto import api_pb2

from training.compute.loopback.messages import make, new_id, parse
from training.compute.loopback.refusal import invalid, not_found
from training.compute.loopback.store import Store

__all__ = ["MAX_RETRIES", "MAX_TIMEOUT_SECONDS", "App", "Apps"]

MAX_TIMEOUT_SECONDS = 24 * 60 * 60
MAX_RETRIES = 10
_GPUS = (
    *("T4", "L4", "A10", "A10G", "A100", "A100-40GB", "A100-80GB"),
    *("L40S", "H100", "H200", "B200", "B300", "ANY"),
)


@dataclass
class App:
    """An app; `state` is a value of the client's ``AppState``."""

    identity: str
    name: str
    state: int
    functions: dict[str, str] = field(default_factory=dict)
    beat: float = 0.0


class Apps:
    """Apps and the functions in them.

    Args:
        store: Where they are kept.
        clock: Seconds since 1970.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._apps = {name: App(**value) for name, value in store.items("app")}

    def create(self, name: str, state: int) -> App:
        """A new app."""
        app = App(new_id("ap"), name, state, beat=self._clock())
        self._save(app)
        return app

    def get(self, identity: str) -> App:
        """An app by id.

        Raises:
            GRPCError: There is none.
        """
        if identity not in self._apps:
            raise not_found(f"App {identity} does not exist")
        return self._apps[identity]

    def deployed(self, name: str) -> App | None:
        """The deployed app of this name."""
        for app in self._apps.values():
            if app.name == name and app.state == api_pb2.APP_STATE_DEPLOYED:
                return app
        return None

    def publish(self, identity: str, name: str, state: int, functions: dict[str, str]) -> App:
        """Make a layout the app's current one."""
        app = self.get(identity)
        app.name, app.state, app.functions = name or app.name, state, dict(functions)
        self._save(app)
        return app

    def beat(self, identity: str) -> None:
        """The client of an app lives."""
        self.get(identity).beat = self._clock()

    def stop(self, identity: str) -> None:
        """Stop an app; its calls are ended by the caller."""
        app = self.get(identity)
        app.state = api_pb2.APP_STATE_STOPPED
        self._save(app)

    def silent(self, seconds: float) -> list[App]:
        """Ephemeral apps whose client was not heard of for so long."""
        before = self._clock() - seconds
        return [
            app
            for app in self._apps.values()
            if app.state == api_pb2.APP_STATE_EPHEMERAL and app.beat < before
        ]

    def define(self, app: str, definition: api_pb2.Function, identity: str) -> str:
        """Keep a function's definition under its id, or a new one.

        Raises:
            GRPCError: It asks for more than the platform gives.
        """
        _check(definition)
        identity = identity or new_id("fu")
        text = base64.b64encode(definition.SerializeToString()).decode()
        self._store.put("function", identity, {"app": app, "definition": text})
        return identity

    def definition(self, function: str) -> api_pb2.Function:
        """A function's definition of now.

        Raises:
            GRPCError: There is none.
        """
        text = self._function(function)["definition"]
        return parse(api_pb2.Function, base64.b64decode(text))

    def app_of(self, function: str) -> App:
        """The app a function is in."""
        return self.get(self._function(function)["app"])

    def layout(self, app: App) -> api_pb2.AppLayout:
        """The objects of an app, as a container or a client sees them."""
        objects = [
            api_pb2.Object(object_id=identity, function_handle_metadata=self.metadata(identity))
            for identity in app.functions.values()
        ]
        used = {
            each.object_id
            for identity in app.functions.values()
            for each in self.definition(identity).object_dependencies
        }
        objects += [api_pb2.Object(object_id=each) for each in sorted(used)]
        return api_pb2.AppLayout(objects=objects, function_ids=app.functions)

    def metadata(self, function: str) -> api_pb2.FunctionHandleMetadata:
        """What a handle of a function knows."""
        definition = self.definition(function)
        return make(
            api_pb2.FunctionHandleMetadata,
            function_name=definition.function_name,
            function_type=definition.function_type,
            definition_id=f"de-{function}",
            function_schema=definition.function_schema,
            supported_input_formats=list(definition.supported_input_formats),
            supported_output_formats=list(definition.supported_output_formats),
            app_id=self._function(function)["app"],
        )

    def _function(self, identity: str) -> dict[str, str]:
        known: dict[str, str] | None = self._store.get("function", identity)
        if known is None:
            raise not_found(f"Function {identity} does not exist")
        return known

    def _save(self, app: App) -> None:
        self._apps[app.identity] = app
        self._store.put("app", app.identity, asdict(app))


def _check(definition: api_pb2.Function) -> None:
    if definition.timeout_secs > MAX_TIMEOUT_SECONDS:
        raise invalid(f"timeout of {definition.timeout_secs} s: at most {MAX_TIMEOUT_SECONDS}")
    if definition.retry_policy.retries > MAX_RETRIES:
        raise invalid(f"{definition.retry_policy.retries} retries: at most {MAX_RETRIES}")
    gpu = definition.resources.gpu_config.gpu_type.rstrip("!")
    if gpu and gpu.upper() not in _GPUS:
        raise invalid(f"unknown GPU {gpu}")
