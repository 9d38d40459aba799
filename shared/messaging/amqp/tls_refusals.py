"""Errors of a TLS connection to RabbitMQ, as one line that says what to change."""

import ssl

from shared.errors import BrokerRefused
from shared.messaging.address import BrokerAddress
from shared.tls_errors import TLS_VERSIONS, TlsFault, classify_tls_error, describe_tls_error

_URL = "STOCKWIRE_AMQP_URL"
# The first bytes of a TLS alert, with which a TLS server answers plain AMQP.
_TLS_ALERT = b"\x15\x03"

_CERTIFICATE = {
    TlsFault.WRONG_HOST: (
        f"is for another host: use the host's name from the certificate in {_URL}, or add ?server_name_indication=NAME"
    ),
    TlsFault.EXPIRED: "has expired: give the server a new one",
    TlsFault.NOT_YET_VALID: "is not valid yet: check the clock of this machine",
    TlsFault.UNKNOWN_AUTHORITY: f"is not trusted: add ?cacertfile=FILE with the authority that signed it to {_URL}",
    TlsFault.OTHER: "is not accepted: give the server another one",
}
_HANDSHAKE = {
    TlsFault.OLD_PROTOCOL: f"does not offer {TLS_VERSIONS}: enable one of them on the server (ssl_options.versions)",
    TlsFault.NO_TLS: f"does not speak TLS on this port: use its TLS port, usually 5671, or amqp:// in {_URL}",
    TlsFault.CLIENT_CERTIFICATE: f"wants a certificate that it trusts: add ?certfile=FILE&keyfile=FILE to {_URL}",
    TlsFault.OTHER: f"accepts no TLS connection: compare its TLS settings with those of {_URL}",
}


def tls_refusal(address: BrokerAddress, error: ssl.SSLError) -> BrokerRefused:
    """Return the error of a failed handshake."""
    fault, broker = classify_tls_error(error), f"RabbitMQ at {address}"
    if isinstance(error, ssl.SSLCertVerificationError):
        problem = f"the certificate of {broker} {_CERTIFICATE[fault]}"
    else:
        problem = f"{broker} {_HANDSHAKE[fault]}"
    return BrokerRefused(f"{problem} ({describe_tls_error(error)})")


def plain_refusal(address: BrokerAddress, received: bytes) -> BrokerRefused | None:
    """Return the error of plain AMQP that a TLS server has answered, or None if another server has answered."""
    if not received.startswith(_TLS_ALERT):
        return None
    return BrokerRefused(f"RabbitMQ at {address} speaks TLS on this port: use amqps:// in {_URL}")
