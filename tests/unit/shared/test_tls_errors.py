"""The reasons of failed TLS connections that no server of this machine's OpenSSL can cause."""

import ssl

from shared.tls_errors import TlsFault, classify_tls_error


def test_an_error_of_openssl_that_python_has_no_name_for_is_recognised_by_its_words() -> None:
    error = ssl.SSLError(1, "[SSL] legacy sigalg disallowed or unsupported (_ssl.c:992)")
    assert classify_tls_error(error) is TlsFault.OLD_PROTOCOL
