"""An app as people write them: each kind of function, object and call once."""

import os
import queue

import modal

app = modal.App("tour")
image = modal.Image.debian_slim().pip_install("hypothesis")
volume = modal.Volume.from_name("tour", create_if_missing=True)
notes = modal.Dict.from_name("tour", create_if_missing=True)
line = modal.Queue.from_name("tour", create_if_missing=True)
WORD = modal.Secret.from_dict({"TOUR_WORD": "secret-of-the-tour"})


@app.function(image=image, volumes={"/data": volume}, secrets=[WORD])
def square(x: int) -> int:
    """Needs its image and its secret; leaves a trace everywhere."""
    import hypothesis

    assert hypothesis.__version__
    assert len(os.environ["TOUR_WORD"]) == 18
    print(f"squaring {x}")
    notes[x] = x * x
    line.put(x)
    return x * x


@app.function(retries=modal.Retries(max_retries=2, initial_delay=0.0))
@modal.concurrent(max_inputs=4)
def odd_at_first(x: int) -> int:
    """Fails once for odd numbers."""
    if x % 2 and notes.put(f"tried {x}", True, skip_if_exists=True):
        raise ValueError(x)
    return x


@app.function()
def counting(n: int):  # type: ignore[no-untyped-def]  # the client says what it is in each version
    """Yields."""
    yield from range(n)


@app.cls()
class Model:
    """Loaded once, with a weight."""

    weight: int = modal.parameter(default=3)

    @modal.enter()
    def load(self) -> None:
        """Before the first call."""
        self.loaded = self.weight

    @modal.method()
    def predict(self, x: int) -> int:
        """By the weight."""
        return x * self.loaded


@app.local_entrypoint()
def main(n: int = 3) -> None:
    """All of it."""
    seen = [square.remote(4), list(square.map(range(n))), list(square.starmap([(5,)]))]
    seen += [square.spawn(6).get(timeout=60), notes[4], line.len(), line.get(timeout=5)]
    print("functions", seen)
    print("tried again", list(odd_at_first.map(range(4))))
    print("generator", list(counting.remote_gen(3)))
    print("class", Model().predict.remote(5), list(Model(weight=2).predict.map([1, 2])))
    with modal.Queue.ephemeral() as own:
        own.put_many([1, 2])
        print("queue", own.get_many(5, timeout=1), list(own.iterate()))
        try:
            own.get(timeout=0)
        except queue.Empty:
            print("empty")
    try:
        square.remote("word")
    except TypeError:
        print("raised")
