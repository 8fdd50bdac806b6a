"""``compute=modal`` without a token, or with one nobody tried: what is said, what is asked."""

import socket

import pytest


def test_without_a_token_a_run_on_modal_ends_at_once_with_8_and_what_to_do(desk):
    (desk.root / "none.toml").touch()
    ended = desk.run("run", *desk.trained, "compute=modal", "max_cost=1")
    assert ended.code == 8, ended.err
    assert ended.err.count("error:") == 1
    assert "token" in ended.err
    assert "modal token" in ended.err.rsplit("fix:", 1)[1]
    assert [event.data["action"] for event in desk.events("step.started")] == ["validate_auth"]


def test_a_plan_on_modal_needs_no_token_and_says_that_the_price_is_not_known(desk):
    (desk.root / "none.toml").touch()
    ended = desk.run("plan", *desk.trained, "compute=modal")
    assert ended.code == 0, ended.err
    assert ended.out.index("validate_auth") < ended.out.index("build_image")
    assert "token" in ended.out


@pytest.mark.parametrize("goal", ["trained_dit", "best_dit"])
def test_a_plan_on_modal_asks_nobody_as_long_as_the_token_was_not_tried(desk, goal):
    (desk.root / "none.toml").touch()
    token = {"MODAL_TOKEN_ID": "ak-untried", "MODAL_TOKEN_SECRET": "as-untried"}
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        words = (f"goal={goal}", f"state={desk.state}", f"repo={desk.repo}", "compute=modal")
        ended = desk.run("plan", *words, MODAL_SERVER_URL=address, **token)
        assert ended.code == 0, ended.err
        assert "not tried yet" in ended.out
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
