"""The HTTP API on a port of its own, served by uvicorn in a thread of the test process."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import requests

from consumers.web.app import create_app
from consumers.web.server import serve
from consumers.web.services import Services
from shared.http_address import HttpAddress, listen
from shared.settings import Settings, parse_database_url
from shared.signals import Stop

TOKEN = "t0ken-of-the-tests"


class Client:
    """Calls the API; `url` is its address without a slash at the end."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url
        self._session = requests.Session()
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        return self._session.request(method, self.url + path, timeout=30, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self("GET", path, **options)

    def json(self, path: str, **parameters: Any) -> Any:
        """Return the JSON of a successful answer."""
        answer = self.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def with_token(self, token: str = TOKEN) -> "Client":
        return Client(self.url, token)


def settings_in(folder: Path, **fields: Any) -> Settings:
    """Return settings with databases in a folder, and a token."""
    databases = {
        f"{name}_url": parse_database_url(f"sqlite:///{folder / name}.db") for name in ("history", "alerts", "results")
    }
    return Settings(**{**databases, "http": HttpAddress("127.0.0.1", 0), "api_token": TOKEN, **fields})


def services(**functions: Callable[..., Any]) -> Services:
    """Return these functions, and for the others some that fail. Those of infra.web are the real ones."""
    own: dict[str, Any] = {"past_prices": lambda _symbol, _since: iter(()), "close": lambda: None}
    unused = dict.fromkeys((each.name for each in fields(Services)), _unused)
    return Services(**(unused | own | functions))


def _unused(*_: object) -> None:
    raise AssertionError("this test does not pass this function")


@contextmanager
def serving(settings: Settings, given: Services | None = None) -> Iterator[Client]:
    """Serve the API while the block runs."""
    stop = Stop()
    with listen(settings.http or HttpAddress("127.0.0.1", 0)) as listening:
        address = HttpAddress("127.0.0.1", listening.getsockname()[1])
        app = create_app(replace(settings, http=settings.http and address), given or services())
        thread = threading.Thread(target=serve, args=(app, listening, stop), name="web", daemon=True)
        thread.start()
        try:
            yield Client(address.url().rstrip("/"))
        finally:
            stop.request()
            thread.join(10)
            assert not thread.is_alive()
