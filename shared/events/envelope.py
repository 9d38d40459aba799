"""The envelope of every event: CloudEvents 1.0 in structured JSON, at most 64 KiB.

Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from shared.errors import InvalidEvent

CONTENT_TYPE = "application/cloudevents+json"
MAX_BODY = 64 * 1024

Json = dict[str, Any]


def encode_envelope(attributes: Mapping[str, Any], data: Mapping[str, Any]) -> bytes:
    """The JSON body of an event with these attributes; raises InvalidEvent over 64 KiB."""
    envelope = {"specversion": "1.0", **attributes, "datacontenttype": "application/json", "data": data}
    body = json.dumps(envelope, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    _check_size(body)
    return body


def decode_envelope(body: bytes, expected: str) -> tuple[Json, Json]:
    """Envelope and data of an event of the expected type; raises InvalidEvent for everything else."""
    envelope = load_envelope(body)
    if envelope.get("specversion") != "1.0":
        raise InvalidEvent("specversion is not '1.0': no CloudEvents 1.0 message")
    if envelope.get("type") != expected:
        raise InvalidEvent(f"type {str(envelope.get('type'))[:40]!r} is not {expected}")
    data = envelope.get("data")
    if not isinstance(data, dict):
        raise InvalidEvent("data is not an object")
    return envelope, data


def load_envelope(body: bytes) -> Json:
    """The JSON object in a body, whatever it says; raises InvalidEvent where there is none."""
    if not body:
        raise InvalidEvent("empty body")
    _check_size(body)
    try:
        envelope = _DECODER.decode(body.decode())
    except UnicodeDecodeError as error:
        raise InvalidEvent(f"not UTF-8: byte {error.start} cannot be decoded") from error
    except (ValueError, RecursionError) as error:
        raise InvalidEvent(f"not JSON: {error}") from error
    if not isinstance(envelope, dict):
        raise InvalidEvent("not a JSON object")
    return envelope


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


# Made once: json.loads would make one for every body.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _check_size(body: bytes) -> None:
    if len(body) > MAX_BODY:
        raise InvalidEvent(f"body of {len(body)} bytes is over 64 KiB")
