"""Users whom RabbitMQ does not let do what a consumer does."""

from dataclasses import replace

import pytest

from infra.up.rabbitmq import PrivateBroker
from shared.errors import BrokerRefused
from shared.messaging.consumer import Consumer
from tests.consumer_thread import Recorder, Running, opened


@pytest.fixture(scope="module")
def _users(rabbitmq: PrivateBroker) -> None:
    add = "rabbit_auth_backend_internal:add_user(U, U, <<>>)"
    may = 'rabbit_auth_backend_internal:set_permissions(U, <<"/">>, C, C, <<"^$">>, <<>>)'
    users = '[{<<"powerless">>, <<"^$">>}, {<<"deaf">>, <<".*">>}]'
    rabbitmq.rabbitmqctl("eval", f"[begin {add}, {may} end || {{U, C}} <- {users}].")


@pytest.mark.usefixtures("_users")
@pytest.mark.parametrize("user", ["powerless", "deaf"])
def test_a_user_without_the_permissions_is_refused_in_one_line(user: str, rabbitmq: PrivateBroker) -> None:
    """And not connected again and again, which no waiting would help."""
    run = Running(Consumer("test", ("#",), opened(Recorder())), replace(rabbitmq.address, username=user, password=user))
    try:
        error = run.ended(5)
    finally:
        run.stop.request()
    assert isinstance(error, BrokerRefused)
    assert f"'{user}'" in str(error)
    assert "permission" in str(error)
    assert "\n" not in str(error)
