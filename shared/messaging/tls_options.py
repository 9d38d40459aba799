"""The TLS options in the query of an AMQP URL."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shared.home_paths import expand_home
from shared.host_names import check_host

if TYPE_CHECKING:
    import ssl

# OpenSSL's reasons for which a file cannot be used, in words.
_REASONS = {
    "NO_CERTIFICATE_OR_CRL_FOUND": "it has no certificate in PEM format",
    "KEY_VALUES_MISMATCH": "its key is not the one in keyfile",
    # OpenSSL gives no reason.
    None: "it has no certificate in PEM format, or its key is missing",
}


@dataclass(frozen=True)
class TlsOptions:
    """The TLS options of a connection. By default, the system's certificate authorities are trusted."""

    cacertfile: str | None = None
    certfile: str | None = None
    keyfile: str | None = None
    verify: bool = True
    server_name: str | None = None

    @classmethod
    def take(cls, query: dict[str, str]) -> "TlsOptions":
        """Remove the TLS parameters from a URL's query and return them. Raises ValueError."""
        verify = query.pop("verify", "verify_peer")
        if verify not in ("verify_peer", "verify_none"):
            raise ValueError(f"has verify={verify[:40]}: use verify_peer or verify_none")
        server_name = query.pop("server_name_indication", None)
        return cls(
            cacertfile=_take_file(query, "cacertfile"),
            certfile=_take_file(query, "certfile"),
            keyfile=_take_file(query, "keyfile"),
            verify=verify == "verify_peer",
            server_name=server_name and check_host(server_name),
        )

    def query(self) -> dict[str, str]:
        """Return the options that differ from the defaults, as parameters of a URL's query."""
        given = {
            "cacertfile": self.cacertfile,
            "certfile": self.certfile,
            "keyfile": self.keyfile,
            "verify": None if self.verify else "verify_none",
            "server_name_indication": self.server_name,
        }
        return {name: value for name, value in given.items() if value is not None}

    def context(self) -> "ssl.SSLContext":
        """Return an SSL context with these options. Raises OSError, which names the file that cannot be used."""
        import ssl

        with _naming("cacertfile", self.cacertfile):
            context = ssl.create_default_context(cafile=self.cacertfile)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certfile:
            if self.keyfile:
                # OpenSSL does not say which of the two files cannot be read.
                with _naming("keyfile", self.keyfile):
                    Path(self.keyfile).read_bytes()
            with _naming("certfile", self.certfile):
                context.load_cert_chain(self.certfile, self.keyfile, password=_refuse_password)
        return context


def _take_file(query: dict[str, str], parameter: str) -> str | None:
    text = query.pop(parameter, None)
    try:
        return text and expand_home(text)
    except ValueError as error:
        raise ValueError(f"has {parameter}={error}") from error


def _refuse_password() -> str:
    """Fail instead of asking for the password of a key on the terminal, where nobody may be."""
    raise OSError("its key has a password: use a key without one")


@contextmanager
def _naming(parameter: str, file: str | None) -> Iterator[None]:
    """Raise OSError with the name of the parameter and its file."""
    import ssl

    try:
        yield
    except ssl.SSLError as error:
        reason = _REASONS.get(error.reason, error.reason)
        raise OSError(f"{parameter}={file}: {reason}") from error
    except OSError as error:
        raise OSError(f"{parameter}={file}: {error.strerror or error}") from error
