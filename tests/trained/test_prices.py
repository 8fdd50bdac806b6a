"""The price before a launch: each hardware has its own, and each machine counts."""

import json
from datetime import UTC, datetime

import pytest

from actions.rates import note_rates
from training.compute.local import LocalCompute
from training.compute.port import HourlyRate
from training.compute.recipe import Hardware

TODAY = datetime.now(UTC).date().isoformat()
ASKED = "modal billing rates --json: gpu_hour_cost_a10g"


class Listed(LocalCompute):
    """A platform that lists prices, as somebody made them up."""

    name = "modal"

    def __init__(self, **prices):
        self.prices, self.asked = prices, []

    def hourly_rates(self, hardware):
        self.asked += [each.label for each in hardware]
        found = [self.prices.get(each.label.replace(":", "_")) for each in hardware]
        return [usd and HourlyRate(usd, usd, usd, ASKED, TODAY) for usd in found]


def per_hour(usd, source=ASKED, until=TODAY):
    hour = dict.fromkeys(("low", "expected", "high"), usd)
    return {"usd_per_hour": hour, "source": source, "seen": TODAY, "until": until}


@pytest.fixture
def kept(tmp_path):
    def kept(**rates):
        path = tmp_path / "rates.json"
        if rates:
            path.write_text(
                json.dumps({key.replace("_", " "): each for key, each in rates.items()})
            )
        found = json.loads(path.read_text())
        return {name: each["usd_per_hour"]["expected"] for name, each in found.items()}

    return kept


def test_two_kinds_of_hardware_have_their_price_on_one_day(tmp_path, kept):
    platform = Listed(A10G=1.0, H100_8=32.0)
    first, second, third = (Hardware(gpu=(each,)) for each in ("A10G", "H100:8", "T4"))
    assert note_rates(tmp_path, platform, [first]) == [
        f"$1.00 an hour on modal A10G ({ASKED}, {TODAY})"
    ]
    said = note_rates(tmp_path, platform, [second, third])
    assert said[-1] == "the price of an hour on modal T4 is unknown"
    assert kept() == {"modal A10G": 1.0, "modal H100:8": 32.0}
    platform.prices.clear()
    note_rates(tmp_path, platform, [first])
    assert kept() == {"modal H100:8": 32.0}  # no longer listed: an old price is no price


def test_one_price_for_a_whole_compute_counts_when_a_person_wrote_it_and_is_forgotten_else(
    tmp_path, kept
):
    platform = Listed(A10G=1.0)
    kept(modal=per_hour(7.0))  # as it was kept before, of whatever was trained first
    note_rates(tmp_path, platform, [Hardware(gpu=("A10G",))])
    assert kept() == {"modal A10G": 1.0}
    kept(modal=per_hour(7.0, source="our contract", until=""))
    assert note_rates(tmp_path, platform, [Hardware(gpu=("A10G",))]) == []
    assert kept() == {"modal": 7.0}
    kept(modal_A10G=per_hour(7.0, source="our contract", until=""))
    assert note_rates(tmp_path, platform, [Hardware(gpu=("A10G",))]) == []
    assert kept() == {"modal A10G": 7.0}


def test_the_price_before_a_launch_counts_every_machine_and_is_that_of_its_gpus(desk):
    def planned(kept, **words):
        desk.write(".goap/rates.json", json.dumps(kept))
        gpu = [f"gpu={each}" for each in words.values()]
        answer = desk.goap("plan", "goal=counter_trained", "compute=modal", *gpu, "--json")
        costs = {each["action"]: each["cost"] for each in answer.data["steps"]}
        return costs["train_counter"], answer.data["estimate"]["usd"]

    hours = {
        "modal H100:8": per_hour(3600.0),
        "modal cpu": per_hour(0.0),
        "modal T4": per_hour(1.0),
    }
    desk.change("job.py", "keep=Keep", 'gpu="H100:8",\n    keep=Keep')
    one, of_one = planned(hours)
    assert one["usd"] == one["seconds"]  # a dollar a second
    desk.change("job.py", "keep=Keep", "nodes=3,\n    keep=Keep")
    three, of_three = planned(hours)
    assert (three["usd"], three["seconds"]) == (3 * one["usd"], one["seconds"])
    assert of_three == {each: pytest.approx(3 * usd) for each, usd in of_one.items()}
    assert planned(hours, gpu="T4")[0]["usd"] < 1
    assert planned(hours, gpu="L4")[0]["usd"] is None
