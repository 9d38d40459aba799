"""The reasons for which a TLS connection fails, read from OpenSSL's error codes."""

import ssl
from enum import Enum, auto

# The TLS versions of Python's default context.
TLS_VERSIONS = "TLS 1.2 or 1.3"


class TlsFault(Enum):
    WRONG_HOST = auto()
    EXPIRED = auto()
    NOT_YET_VALID = auto()
    UNKNOWN_AUTHORITY = auto()
    # The other end has no TLS version that this end accepts.
    OLD_PROTOCOL = auto()
    # The other end answers, but not in TLS.
    NO_TLS = auto()
    # The other end wants a certificate from this end, or rejects the one it got.
    CLIENT_CERTIFICATE = auto()
    OTHER = auto()


# X509_V_ERR_…; source: https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/
_BY_VERIFY_CODE = {
    2: TlsFault.UNKNOWN_AUTHORITY,
    9: TlsFault.NOT_YET_VALID,
    10: TlsFault.EXPIRED,
    18: TlsFault.UNKNOWN_AUTHORITY,
    19: TlsFault.UNKNOWN_AUTHORITY,
    20: TlsFault.UNKNOWN_AUTHORITY,
    21: TlsFault.UNKNOWN_AUTHORITY,
    62: TlsFault.WRONG_HOST,
    64: TlsFault.WRONG_HOST,
}
# SSL_R_…; source: https://github.com/openssl/openssl/blob/openssl-3.0/include/openssl/sslerr.h
_BY_REASON = {
    "UNSUPPORTED_PROTOCOL": TlsFault.OLD_PROTOCOL,
    "TLSV1_ALERT_PROTOCOL_VERSION": TlsFault.OLD_PROTOCOL,
    "VERSION_TOO_LOW": TlsFault.OLD_PROTOCOL,
    "WRONG_SSL_VERSION": TlsFault.OLD_PROTOCOL,
    "WRONG_VERSION_NUMBER": TlsFault.NO_TLS,
    "PACKET_LENGTH_TOO_LONG": TlsFault.NO_TLS,
    "RECORD_LAYER_FAILURE": TlsFault.NO_TLS,
    "HTTP_REQUEST": TlsFault.NO_TLS,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": TlsFault.CLIENT_CERTIFICATE,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": TlsFault.CLIENT_CERTIFICATE,
    "SSLV3_ALERT_BAD_CERTIFICATE": TlsFault.CLIENT_CERTIFICATE,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": TlsFault.CLIENT_CERTIFICATE,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": TlsFault.CLIENT_CERTIFICATE,
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": TlsFault.CLIENT_CERTIFICATE,
    "TLSV1_ALERT_UNKNOWN_CA": TlsFault.CLIENT_CERTIFICATE,
}
# OpenSSL 3.0's words for the signatures of TLS 1.0 and 1.1, an error that Python 3.11 has no name for.
_OLD_SIGNATURE = "legacy sigalg disallowed or unsupported"


def find_tls_error(*errors: BaseException | None) -> ssl.SSLError | None:
    """Return the first TLS error among these errors, their arguments and their causes.

    A connection that was closed in the middle of a handshake is not a TLS error.
    """
    for error in errors:
        if isinstance(error, ssl.SSLError):
            return None if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) else error
        if error is not None:
            inner = (each for each in (*error.args, getattr(error, "reason", None)) if isinstance(each, BaseException))
            if found := find_tls_error(*inner, error.__cause__):
                return found
    return None


def classify_tls_error(error: ssl.SSLError) -> TlsFault:
    """Return the reason of a failed handshake."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _BY_VERIFY_CODE.get(error.verify_code, TlsFault.OTHER)
    if _OLD_SIGNATURE in str(error):
        return TlsFault.OLD_PROTOCOL
    return _BY_REASON.get(error.reason or "", TlsFault.OTHER)


def describe_tls_error(error: ssl.SSLError) -> str:
    """Return OpenSSL's own words."""
    words = getattr(error, "verify_message", "") or (error.reason or str(error)).replace("_", " ").lower()
    return words.rstrip(".")
