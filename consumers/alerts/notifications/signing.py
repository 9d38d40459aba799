"""Signatures of webhooks, as in Standard Webhooks.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
import secrets

PREFIX = "whsec_"
# Bytes of a key.
MIN_KEY = 24
MAX_KEY = 64
_NEW_KEY = 32


def generate_secret() -> str:
    """Return a new random secret."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_NEW_KEY)).decode()


def check_secret(secret: str) -> str:
    """Return a secret without the spaces around it. Raises ValueError, whose text does not repeat the secret."""
    secret = secret.strip()
    _key(secret)
    return secret


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a message at this time, in seconds since 1970: `v1,` and base64 of the HMAC-SHA256."""
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    digest = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True) if secret.startswith(PREFIX) else b""
    except (binascii.Error, ValueError):
        key = b""
    if not MIN_KEY <= len(key) <= MAX_KEY:
        # Without `from`: the error of the decoder may quote the secret.
        raise ValueError(
            f"the secret is not valid: write {PREFIX} and base64 of {MIN_KEY}-{MAX_KEY} bytes, or use --secret generate"
        ) from None
    return key
