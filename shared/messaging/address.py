"""The address of the broker: the parts of an AMQP URL, printed without its password."""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from shared.host_names import check_host
from shared.messaging.tls_options import TlsOptions

DEFAULT_HEARTBEAT = 10  # seconds
_MAX_VIRTUAL_HOST = 127  # characters, by the AMQP specification

# As Celery takes them, amqp://a/;amqp://b/, or as other clients do, amqp://a:5672,b:5672/
_SEVERAL = re.compile(r"[;,\s]\s*amqps?://|^amqps?://(?:[^/?#]*@)?(?![^/?#]*@)[^/?#]*[;,]")


@dataclass(frozen=True)
class BrokerAddress:
    """The parts of an AMQP URL. `heartbeat` is in seconds; `tls` is None for `amqp://`.

    Source: https://www.rabbitmq.com/docs/uri-spec and https://www.rabbitmq.com/docs/uri-query-parameters
    """

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    virtual_host: str = "/"
    heartbeat: int = DEFAULT_HEARTBEAT
    tls: "TlsOptions | None" = None

    @classmethod
    def parse(cls, url: str) -> "BrokerAddress":
        """Parse an `amqp://` or `amqps://` URL. Defaults: guest, guest, localhost, port 5672 (with TLS 5671) and `/`.

        Query parameters: `heartbeat` and, with TLS, `cacertfile`, `certfile`, `keyfile`, `verify` (`verify_peer` or
        `verify_none`) and `server_name_indication`. Raises ValueError without quoting the password.
        """
        if _SEVERAL.search(url):
            raise ValueError("has several brokers: use the URL of one")
        if re.search(r"[\s\x00-\x1f\x7f]", url):
            # urlsplit would leave line breaks and tabs out, and so read another URL.
            raise ValueError("has a blank or a line break: write %20 for a blank that is meant")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ValueError("is not an AMQP URL such as amqp://user:password@host:5672/") from error
        if parts.scheme not in ("amqp", "amqps") or not url.startswith(f"{parts.scheme}://"):
            raise ValueError("is not an AMQP URL such as amqp://user:password@host:5672/")
        if "#" in url or "@" in parts.path + parts.query:
            # This is most likely part of a password, which would be read as the host and printed in an error message.
            raise ValueError("has a / ? # or @ that must be percent-encoded: %2F %3F %23 %40")
        virtual_host = unquote(parts.path.removeprefix("/")) or "/"
        if len(virtual_host) > _MAX_VIRTUAL_HOST:
            raise ValueError(f"has a virtual host of more than {_MAX_VIRTUAL_HOST} characters")
        _check_credentials(parts.username, parts.password)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        heartbeat = _parse_heartbeat(query.pop("heartbeat", str(DEFAULT_HEARTBEAT)))
        secure = parts.scheme == "amqps"
        tls = TlsOptions.take(query) if secure else None
        if query:
            raise ValueError(f"has an unknown query parameter: {next(iter(query))}")
        return cls(
            host=check_host(parts.hostname or "localhost"),
            port=port or (5671 if secure else 5672),
            username=unquote(parts.username or "guest"),
            password=unquote(parts.password or "guest"),
            virtual_host=virtual_host,
            heartbeat=heartbeat,
            tls=tls,
        )

    def __str__(self) -> str:
        """Return scheme, host, port and virtual host, without the credentials."""
        scheme = "amqps" if self.tls else "amqp"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}/{quote(self.virtual_host, safe='') if self.virtual_host != '/' else ''}"

    def setting(self) -> str:
        """Return the URL with credentials and options, as the setting STOCKWIRE_AMQP_URL has it."""
        options = {} if self.heartbeat == DEFAULT_HEARTBEAT else {"heartbeat": str(self.heartbeat)}
        options |= self.tls.query() if self.tls else {}
        query = f"?{urlencode(options, safe='/')}" if options else ""
        return self.url("amqps" if self.tls else "amqp") + query

    def url(self, scheme: str = "amqp") -> str:
        """Return a URL with the credentials, for libraries that open their own connection."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        credentials = f"{quote(self.username, safe='')}:{quote(self.password, safe='')}"
        return f"{scheme}://{credentials}@{host}:{self.port}/{quote(self.virtual_host, safe='')}"


def _check_credentials(username: str | None, password: str | None) -> None:
    """Raise ValueError for one without the other: guest's must not take the place of a part that was forgotten."""
    if (username, password) != (None, None) and not (username and password):
        missing = "password" if username else "user name"
        raise ValueError(f"has no {missing} before the @: write amqp://user:password@host:5672/")


def _parse_heartbeat(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= 600:
        raise ValueError(f"has heartbeat={text[:40]}: use 1 to 600 seconds")
    return int(text)
