"""Apps and functions: what was deployed under which name, and what runs only as long as its client.

A function's definition keeps its id from one deployment to the next, as the client expects; a call
keeps the definition it was made with.
"""

import base64
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from modal_proto import api_pb2

from training.compute.loopback.messages import make, new_id, parse
from training.compute.loopback.refusal import invalid, not_found
from training.compute.loopback.store import Store

__all__ = ["MAX_RETRIES", "MAX_TIMEOUT_SECONDS", "App", "Apps"]

MAX_TIMEOUT_SECONDS = 24 * 60 * 60
MAX_RETRIES = 10
MAX_GPUS = 8
_GPUS = (
    *("T4", "L4", "A10", "A10G", "A100", "A100-40GB", "A100-80GB"),
    *("L40S", "RTX-PRO-6000", "H100", "H200", "B200", "B200+", "B300", "ANY"),
)


@dataclass
class App:
    """An app; `state` is a value of the client's ``AppState``."""

    identity: str
    name: str
    state: int
    functions: dict[str, str] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
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

    def create(self, name: str, state: int, tags: Mapping[str, str]) -> App:
        """A new app."""
        app = App(new_id("ap"), name, state, tags=dict(tags), beat=self._clock())
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

    def publish(
        self,
        identity: str,
        name: str,
        state: int,
        functions: dict[str, str],
        classes: dict[str, str],
    ) -> App:
        """Make a layout the app's current one."""
        app = self.get(identity)
        app.name, app.state, app.functions = name or app.name, state, dict(functions)
        app.classes = dict(classes)
        self._save(app)
        return app

    def tag(self, identity: str, tags: Mapping[str, str]) -> None:
        """Replace the tags of an app."""
        app = self.get(identity)
        app.tags = dict(tags)
        self._save(app)

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

    def define(
        self,
        app: str,
        definition: api_pb2.Function,
        identity: str,
        others: Sequence[api_pb2.Function] = (),
    ) -> str:
        """Keep a function's definition under its id, or a new one.

        Args:
            app: What it is in.
            definition: Of the hardware that is most wanted.
            identity: Its id; empty: it gets one.
            others: The same for hardware that would do too, in the order it is wanted.

        Raises:
            GRPCError: It asks for more than the platform gives.
        """
        for each in (definition, *others):
            _check(each)
        identity = identity or new_id("fu")
        text = base64.b64encode(definition.SerializeToString()).decode()
        record = {"app": app, "definition": text}
        if others:
            each_gpu = [_named(each.resources.gpu_config) for each in (definition, *others)]
            record["gpus"] = ",".join(each_gpu)
        self._store.put("function", identity, record)
        return identity

    def bind(self, function: str, options: api_pb2.FunctionOptions, parameters: bytes) -> str:
        """The variant of a function that has other options; the same options are the same variant.

        Args:
            function: Which.
            options: What is other.
            parameters: What an object of a class is made with, as the client wrote it.

        Raises:
            GRPCError: There is no such function, or it asks for more than the platform gives.
        """
        _check(_varied(self.definition(function), options))
        content = options.SerializeToString(deterministic=True)
        digest = hashlib.sha256(f"{function}\n".encode() + content + parameters).hexdigest()
        identity = f"fu-{digest[:22]}"
        text = base64.b64encode(content).decode()
        record = {"app": self._function(function)["app"], "base": function, "options": text}
        record["parameters"] = base64.b64encode(parameters).decode()
        self._store.put("function", identity, record)
        return identity

    def parameters(self, function: str) -> bytes:
        """What the object of a class is made with; empty for a function that is in none."""
        return base64.b64decode(self._function(function).get("parameters", ""))

    def base(self, function: str) -> str:
        """The function of a variant; itself where it is none."""
        return self._function(function).get("base", function)

    def definition(self, function: str) -> api_pb2.Function:
        """A function's definition of now; a variant follows the function it is one of.

        Raises:
            GRPCError: There is none.
        """
        record = self._function(function)
        if "base" in record:
            options = parse(api_pb2.FunctionOptions, base64.b64decode(record["options"]))
            return _varied(self.definition(record["base"]), options)
        return parse(api_pb2.Function, base64.b64decode(record["definition"]))

    def gpus(self, function: str) -> list[str]:
        """The GPUs that are asked for, the most wanted one first."""
        config = self.definition(function).resources.gpu_config
        listed = self._function(self.base(function)).get("gpus", "")
        if not config.gpu_type or (listed and listed.split(",")[0] == _named(config)):
            return listed.split(",") if listed else []
        return [_named(config)]

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
        empty = api_pb2.ClassHandleMetadata()
        objects += [
            api_pb2.Object(object_id=each, class_handle_metadata=empty)
            for each in app.classes.values()
        ]
        return api_pb2.AppLayout(objects=objects, function_ids=app.functions, class_ids=app.classes)

    def metadata(self, function: str) -> api_pb2.FunctionHandleMetadata:
        """What a handle of a function knows."""
        definition = self.definition(function)
        return make(
            api_pb2.FunctionHandleMetadata,
            function_name=definition.function_name,
            function_type=definition.function_type,
            definition_id=f"de-{function}",
            function_schema=definition.function_schema,
            class_parameter_info=definition.class_parameter_info,
            method_handle_metadata={
                name: self._method(name, method)
                for name, method in definition.method_definitions.items()
            },
            supported_input_formats=list(definition.supported_input_formats),
            supported_output_formats=list(definition.supported_output_formats),
            app_id=self._function(function)["app"],
            base_function_id=self._function(function).get("base"),
        )

    def _method(
        self, name: str, method: api_pb2.MethodDefinition
    ) -> api_pb2.FunctionHandleMetadata:
        """What a handle of a method knows."""
        return make(
            api_pb2.FunctionHandleMetadata,
            function_name=method.function_name,
            function_type=method.function_type,
            is_method=True,
            use_method_name=name,
            function_schema=method.function_schema,
            supported_input_formats=list(method.supported_input_formats),
            supported_output_formats=list(method.supported_output_formats),
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
    if not 0 <= definition.resources.gpu_config.count <= MAX_GPUS:
        raise invalid(f"{definition.resources.gpu_config.count} GPUs: at most {MAX_GPUS}")
    gpu = definition.resources.gpu_config.gpu_type.rstrip("!")
    if gpu and gpu.upper() not in _GPUS:
        raise invalid(f"unknown GPU {gpu}")


def _named(config: api_pb2.GPUConfig) -> str:
    """A GPU as people write it."""
    return config.gpu_type if config.count == 1 else f"{config.gpu_type}:{config.count}"


def _varied(definition: api_pb2.Function, options: api_pb2.FunctionOptions) -> api_pb2.Function:
    """A definition with other options; what the options do not say stays."""
    varied = api_pb2.Function()
    varied.CopyFrom(definition)
    if options.HasField("resources"):
        varied.resources.MergeFrom(options.resources)
    if options.HasField("retry_policy"):
        varied.retry_policy.CopyFrom(options.retry_policy)
    if options.HasField("scheduler_placement"):
        varied.scheduler_placement.CopyFrom(options.scheduler_placement)
    if options.timeout_secs:
        varied.timeout_secs = options.timeout_secs
    if options.replace_secret_ids:
        del varied.secret_ids[:]
    varied.secret_ids.extend(options.secret_ids)
    if options.replace_volume_mounts:
        del varied.volume_mounts[:]
    varied.volume_mounts.extend(options.volume_mounts)
    if options.replace_cloud_bucket_mounts:
        del varied.cloud_bucket_mounts[:]
    varied.cloud_bucket_mounts.extend(options.cloud_bucket_mounts)
    return varied
