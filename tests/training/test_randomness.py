"""Random numbers and the order of photos, as functions of the step."""

import pytest
import torch

from training.learn.randomness import batch_indices, generator


def numbers(*place: object) -> list[float]:
    return torch.rand(3, generator=generator(*place)).tolist()  # type: ignore[arg-type]


def test_a_place_has_its_own_numbers_and_always_the_same() -> None:
    places = [
        (0, "noise", 0, 0),
        (1, "noise", 0, 0),
        (0, "time", 0, 0),
        (0, "noise", 1, 0),
        (0, "noise", 0, 1),
    ]
    found = [numbers(*place) for place in places]
    assert found == [numbers(*place) for place in places]
    assert len({tuple(row) for row in found}) == len(places)


def test_no_two_steps_of_a_stream_draw_the_same() -> None:
    first = {tuple(numbers(0, "noise", step)) for step in range(2_000)}
    assert len(first) == 2_000


def epoch(seed: int, number: int, count: int = 10) -> list[int]:
    """The photos of one epoch, in batches of 4 that run on across epochs."""
    every = [
        index
        for step in range(20)
        for index in batch_indices(seed=seed, count=count, batch=4, step=step).tolist()
    ]
    return every[number * count : (number + 1) * count]


def test_every_photo_is_seen_once_in_an_epoch_in_an_order_of_its_own() -> None:
    assert sorted(epoch(0, 0)) == sorted(epoch(0, 3)) == list(range(10))
    assert epoch(0, 0) != epoch(0, 1)
    assert epoch(0, 0) != epoch(1, 0)


@pytest.mark.parametrize("count", [1, 2, 5, 31])
def test_a_dataset_smaller_than_a_batch_fills_it(count: int) -> None:
    found = batch_indices(seed=0, count=count, batch=32, step=3).tolist()
    assert len(found) == 32
    assert set(found) <= set(range(count))
    tally = torch.bincount(torch.tensor(found), minlength=count)
    assert int(tally.max()) <= -(-32 // count) + 1


def test_processes_share_an_epoch_without_overlap() -> None:
    parts = [
        batch_indices(seed=0, count=100, batch=5, step=step, rank=rank, ranks=2).tolist()
        for step in range(10)
        for rank in range(2)
    ]
    assert sorted(index for part in parts for index in part) == list(range(100))
