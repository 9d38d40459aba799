"""Users without the permissions that a consumer needs."""

from dataclasses import replace

import pytest

from infra.up.rabbitmq import PrivateBroker
from shared.errors import BrokerRefused
from shared.messaging.consumer import Consumer
from tests.consumer_thread import Recorder, Running, opened


@pytest.fixture(scope="module")
def _users(rabbitmq: PrivateBroker) -> None:
    add = "rabbit_auth_backend_internal:add_user(U, U, <<>>)"
    grant = 'rabbit_auth_backend_internal:set_permissions(U, <<"/">>, C, C, <<"^$">>, <<>>)'
    users = '[{<<"powerless">>, <<"^$">>}, {<<"reads_nothing">>, <<".*">>}]'
    rabbitmq.rabbitmqctl("eval", f"[begin {add}, {grant} end || {{U, C}} <- {users}].")


@pytest.mark.usefixtures("_users")
@pytest.mark.parametrize("user", ["powerless", "reads_nothing"])
def test_a_user_without_the_permissions_is_refused_with_one_line(user: str, rabbitmq: PrivateBroker) -> None:
    """The consumer does not connect again, because waiting does not grant a permission."""
    run = Running(Consumer("test", ("#",), opened(Recorder())), replace(rabbitmq.address, username=user, password=user))
    try:
        error = run.ended(5)
    finally:
        run.stop.request()
    assert isinstance(error, BrokerRefused)
    assert f"'{user}'" in str(error)
    assert "permission" in str(error)
    assert "\n" not in str(error)
