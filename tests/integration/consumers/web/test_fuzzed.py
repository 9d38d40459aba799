"""Requests that schemathesis makes of the API's own OpenAPI document: none of them may be an error of the server."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from infra import web
from shared.messaging.address import BrokerAddress
from shared.settings import Settings
from tests.web_server import TOKEN, Client, serving

MOST_EXAMPLES = 8


@pytest.fixture(scope="module")
def fuzzed(
    settings: Settings, module_broker: BrokerAddress, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    own = replace(settings, amqp_url=module_broker)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(web, "VAR", tmp_path_factory.mktemp("var"))
        patch.setenv("STOCKWIRE_HISTORY_URL", own.history_url.text)
        made = web.make_services(own)
        with serving(own, made) as found:
            yield found
        made.close()


# schemathesis draws with Python's random numbers.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module:hypothesis.errors.HypothesisDeprecationWarning")
def test_no_request_is_an_error_of_the_server(fuzzed: Client) -> None:
    # Its import takes a third of a second, which each worker of pytest would pay for the collection of this file.
    import schemathesis

    # Events have no end, and health has a service of its own.
    document = schemathesis.openapi.from_url(f"{fuzzed.url}/openapi.json")
    operations = [found.ok() for found in document.exclude(path=["/v1/events", "/v1/health"]).get_all_operations()]
    assert len(operations) > 20
    statuses: set[int] = set()
    for operation in operations:

        @given(case=operation.as_strategy())
        @settings(max_examples=MOST_EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        def call(case: schemathesis.Case) -> None:
            answer = case.call(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)
            assert answer.status_code < 500, answer.text
            if answer.status_code >= 400:
                assert answer.headers["content-type"][0] == "application/problem+json", answer.text
            statuses.add(answer.status_code)

        call()
    assert {200, 422} <= statuses
