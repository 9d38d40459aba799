"""The producer's watch list over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import web
from tests.web_server import Client, serving, settings_in


@pytest.fixture
def own_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setattr(web, "VAR", tmp_path)
    settings = settings_in(tmp_path, symbols=("AAPL", "MSFT"))
    with serving(settings, web.make_services(settings)) as found:
        yield found.with_token()


def names(answer: dict[str, list[dict[str, str]]]) -> list[str]:
    return [row["symbol"] for row in answer["symbols"]]


def test_symbols_are_added_and_removed(own_client: Client) -> None:
    assert own_client.json("/v1/watch") == {
        "symbols": [{"symbol": "AAPL", "source": "setting"}, {"symbol": "MSFT", "source": "setting"}]
    }
    added = own_client("POST", "/v1/watch", json={"symbol": "btc/usd"})
    assert (added.status_code, names(added.json())) == (201, ["AAPL", "MSFT", "BTC/USD"])
    assert own_client.json("/v1/watch")["symbols"][2] == {"symbol": "BTC/USD", "source": "added"}
    assert own_client("POST", "/v1/watch", json={"symbol": "BTC/USD"}).status_code == 200
    removed = own_client("DELETE", "/v1/watch/BTC/USD")
    assert (removed.status_code, names(removed.json())) == (200, ["AAPL", "MSFT"])


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", "/v1/watch", {"symbol": "AMpB"}, 422, "AMpB"),
        ("POST", "/v1/watch", {"symbol": ""}, 422, "symbol"),
        ("POST", "/v1/watch", {}, 422, "symbol"),
        ("POST", "/v1/watch", {"symbol": "AAPL", "every": "5s"}, 422, "every"),
        ("DELETE", "/v1/watch/NVDA", None, 404, "NVDA is not on the watch list"),
    ],
)
def test_a_refused_change_says_why(
    own_client: Client, method: str, path: str, body: dict[str, str] | None, status: int, words: str
) -> None:
    answer = own_client(method, path, json=body)
    assert answer.status_code == status
    assert words in answer.json()["detail"]
    assert names(own_client.json("/v1/watch")) == ["AAPL", "MSFT"]


def test_the_last_symbol_stays(own_client: Client) -> None:
    assert own_client("DELETE", "/v1/watch/AAPL").status_code == 200
    answer = own_client("DELETE", "/v1/watch/MSFT")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


def test_changes_need_the_token(client: Client) -> None:
    assert client("POST", "/v1/watch", json={"symbol": "NVDA"}).status_code == 401
    assert client("DELETE", "/v1/watch/AAPL").status_code == 401
