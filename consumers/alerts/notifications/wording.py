"""Events as text for people: a title and one or more lines."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from consumers.alerts.split_guard import rescale_command

# Alerts that a digest lists.
_MAX_LISTED = 20


def describe_event(event: Mapping[str, Any]) -> tuple[str, str]:
    """Return title and text of an event. An unknown type shows its fields."""
    data = event["data"]
    match event["type"]:
        case "PRICE_ALERT":
            return f"{data['symbol']}: {data['rule_name']}", describe_alert(data)
        case "PRICE_ALERT_DIGEST":
            return f"{data['count']} alerts", _describe_digest(data)
        case "RULES_HELD":
            return f"{data['symbol']}: rules held", _describe_held(data)
        case "TARGET_TEST":
            return "Stockwire", data["message"]
    fields = ", ".join(f"{name} {value}" for name, value in data.items() if value is not None)
    return str(event.get("subject") or event["type"]), fields


def describe_alert(data: Mapping[str, Any]) -> str:
    """Return an alert as one line: its own message if it has one, otherwise price and condition."""
    if data.get("message"):
        return str(data["message"])
    terms = data.get("terms") or f"{data['condition'].replace('_', ' ')} {data['threshold']}"
    state = " (resolved)" if data.get("state") == "resolved" else ""
    price = f"{data['symbol']} is at {data['price']}" if data.get("price") else data["symbol"]
    return f"{price}: {terms}{state}"


def _describe_held(data: Mapping[str, Any]) -> str:
    return (
        f"{data['symbol']} went from {data['previous_price']} to {data['price']}, which may be a split: its rules wait"
        f" for {rescale_command(data['symbol'], Decimal(data['ratio']))}"
    )


def _describe_digest(data: Mapping[str, Any]) -> str:
    events = data["alerts"]
    lines = [f"{describe_event(event)[0]}: {describe_event(event)[1]}" for event in events[:_MAX_LISTED]]
    more = data["count"] - len(lines)
    if more > 0:
        lines.append(f"and {more} more: ./stockwire alerts")
    return "\n".join(lines)
