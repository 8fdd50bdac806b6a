"""Prices come from the platform, with source and date, or are unknown; budgets are kept."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from programs import goap

from training.compute.loopback.client import ControlPlane

pytestmark = pytest.mark.xdist_group("modal")

WORDS = ("run", "goal=trained_dit", "compute=modal", "preset=smoke", "seed=240", "state=state")
RATES: dict[str, Any] = {"gpu_hour_cost_a10g": 10, "cpu_hour_cost": 1, "mem_gib_hour_cost": 0.5}


def test_24_a_price_that_nobody_knows_is_unknown() -> None:
    from actions.training_cost import price
    from goals.parameters import training_parameters

    parameters = training_parameters("dit")
    assert price(parameters(compute="modal")) is None
    assert price(parameters(compute="loopback")) == 0


def rates(where: Path) -> Any:
    return json.loads((where / "state" / "rates.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_02_and_24_a_plan_over_the_budget_is_refused_at_the_prices_of_today(
    plane: ControlPlane, tmp_path: Path
) -> None:
    def trainings() -> int:
        return sum(call["function"] == "carry" for call in plane.do("state")["calls"])

    before = trainings()
    plane.do("rates")
    ended = goap(plane, tmp_path, *WORDS, "max_cost=5")
    assert ended.code == 5, ended.err
    assert "is unknown, so max_cost=5 cannot be kept" in ended.err
    assert not (tmp_path / "state" / "rates.json").exists()

    plane.do("rates", **RATES)
    ended = goap(plane, tmp_path, *WORDS, "max_cost=0.0001")
    assert ended.code == 5, ended.err
    today = datetime.now(UTC).date().isoformat()
    assert set(rates(tmp_path)) == {"modal A10G", "modal cpu"}
    assert rates(tmp_path)["modal A10G"] == {
        "usd_per_hour": {"low": 10.0, "expected": 16.0, "high": 34.0},
        "source": "modal billing rates --json: gpu_hour_cost_a10g",
        "seen": today,
        "until": today,
    }

    # a price holds for the day on which it was read
    plane.do("rates", **{**RATES, "gpu_hour_cost_a10g": 20})
    older = {"modal A10G": {**rates(tmp_path)["modal A10G"], "until": "2026-01-01"}}
    (tmp_path / "state" / "rates.json").write_text(json.dumps(older), encoding="utf-8")
    assert goap(plane, tmp_path, *WORDS, "max_cost=0.0001").code == 5
    assert rates(tmp_path)["modal A10G"]["usd_per_hour"]["low"] == 20
    assert trainings() == before

    by_hand = {"modal": {**rates(tmp_path)["modal A10G"], "source": "our contract", "until": ""}}
    (tmp_path / "state" / "rates.json").write_text(json.dumps(by_hand), encoding="utf-8")
    assert goap(plane, tmp_path, *WORDS, "max_cost=0.0001").code == 5
    assert rates(tmp_path) == by_hand

    plane.do("rates")
    (tmp_path / "state" / "rates.json").write_text(json.dumps(older), encoding="utf-8")
    ended = goap(plane, tmp_path, *WORDS, "max_cost=5")
    assert (ended.code, "is unknown" in ended.err) == (5, True), ended.err
    assert rates(tmp_path) == {}  # no longer listed: an old price is no price


JOB = """
from pydantic import BaseModel, Field
from actions import toolkit
from training import Training

class Settings(BaseModel):
    steps: int = Field(9, ge=1, description="steps")

command = "python script.py"
pre = Training("pre", settings=Settings, command=command, source=["script.py"], gpu="A100-80GB:2")
main = Training(
    "main", settings=Settings, command=command, source=["script.py"], gpu=["T4", "L4"], init=pre
)
CATALOGUE = toolkit(pre, main)
"""


@pytest.mark.slow
def test_the_price_that_is_asked_is_that_of_the_declared_gpus_or_of_the_one_asked_for(
    plane: ControlPlane, tmp_path: Path
) -> None:
    (tmp_path / "job.py").write_text(JOB, encoding="utf-8")
    (tmp_path / "script.py").write_text("", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text('[tool.goap]\ncatalogue = "job:CATALOGUE"\n')
    names = {"a100_80gb": 3, "t4": 1, "l4": 2, "h100": 7}
    listed = {f"gpu_hour_cost_{name}": price for name, price in names.items()}
    plane.do("rates", **listed, cpu_hour_cost=0, mem_gib_hour_cost=0)

    def prices(*words: str) -> dict[str, tuple[float, float, float, str]]:
        shutil.rmtree(tmp_path / "state", ignore_errors=True)
        common = ("compute=modal", "state=state", "max_cost=0.000001")
        ended = goap(plane, tmp_path, "run", *words, *common)
        assert ended.code == 5, ended.err
        found = rates(tmp_path)
        assert found.pop("modal cpu")["usd_per_hour"]["high"] == 0  # what proves the image
        return {
            name: (*each["usd_per_hour"].values(), each["source"]) for name, each in found.items()
        }

    def named(*which: str) -> str:
        said = ", ".join(f"gpu_hour_cost_{each}" for each in which)
        return f"modal billing rates --json: {said}"

    pre = {"modal A100-80GB:2": (6.0, 6.0, 6.0, named("a100_80gb"))}
    main = {"modal T4 or L4": (1.0, 2.0, 1.0, named("t4", "l4"))}  # expected, high, low
    assert prices("goal=main_trained") == {**pre, **main}
    assert prices("goal=pre_trained") == pre
    expected = {"modal H100:4": (28.0, 28.0, 28.0, named("h100"))}
    assert prices("goal=main_trained", "gpu=H100:4") == expected


def test_the_rate_of_cores_and_memory_is_that_of_what_is_asked_for() -> None:
    from training.compute.modal.rates import hourly_rate
    from training.compute.recipe import Hardware

    listed = {name: str(value) for name, value in RATES.items()}
    day = datetime(2026, 1, 2, tzinfo=UTC)
    for hardware, low, expected, high in (
        (Hardware(), 0, 6, 24),
        (Hardware(cpu=16.0, memory=65536), 48, 48, 48),
        (Hardware(gpu=("A10G",), cpu=1.0), 11, 15, 34),
    ):
        found = hourly_rate(hardware, listed, lambda: day)
        assert found is not None
        assert (found.low, found.expected, found.high) == (low, expected, high)


def test_each_gpu_has_its_rate_under_the_name_that_the_platform_lists() -> None:
    from training.compute.gpu import _MOST, gpu_names, rate_name

    a100 = ("a100_40gb", "a100_80gb")
    listed = ("t4", "l4", "a10g", "l40s", *a100, "rtx6000", "h100", "h200", "b200", "b300")
    names = {name: rate_name(gpu_names(name)[0]).removeprefix("gpu_hour_cost_") for name in _MOST}
    assert {name for name, rate in names.items() if rate not in listed} == set()
    assert (names["B300"], names["RTX-PRO-6000"]) == ("b300", "rtx6000")
    assert names["A10"] == names["A10G"] == "a10g"
    assert names["A100"] == names["A100-40GB"] == "a100_40gb"
    assert names["B200+"] == names["B200"] == "b200"
    assert rate_name("H100!:8") == rate_name("h100") == "gpu_hour_cost_h100"


def test_of_a_list_of_preference_the_first_is_expected_and_the_others_are_the_bounds() -> None:
    from training.compute.modal.rates import hourly_rate
    from training.compute.recipe import Hardware

    listed = {"gpu_hour_cost_h100": "4", "gpu_hour_cost_a100_40gb": "2", "gpu_hour_cost_l4": "1"}
    listed |= {"cpu_hour_cost": "0", "mem_gib_hour_cost": "0"}
    day = datetime(2026, 1, 2, tzinfo=UTC)
    found = hourly_rate(Hardware(gpu=("A100", "H100!:8", "L4")), listed, lambda: day)
    assert found is not None
    assert (found.low, found.expected, found.high) == (1, 2, 32)


def test_the_rate_of_a_gpu_that_is_not_listed_is_no_rate() -> None:
    from training.compute.modal.rates import hourly_rate
    from training.compute.recipe import Hardware

    listed = {name: str(value) for name, value in RATES.items()}
    day = datetime(2026, 1, 2, tzinfo=UTC)
    found = hourly_rate(Hardware(gpu=("A10G:2",)), listed, lambda: day)
    assert found is not None
    assert (found.low, found.expected, found.high, found.seen) == (20, 26, 68, "2026-01-02")
    assert hourly_rate(Hardware(gpu=("H100",)), listed, lambda: day) is None
    assert (
        hourly_rate(Hardware(gpu=("A10G",)), {**listed, "cpu_hour_cost": "?"}, lambda: day) is None
    )
