"""The receiver of webhooks to copy: it takes what is signed, prints each message once, and ends with status 0."""

from consumers.alerts.notifications.channel import DELIVERED, Notification, Result
from consumers.alerts.notifications.signing import generate_secret
from consumers.alerts.notifications.targets import Target
from consumers.alerts.notifications.webhook import Webhook
from infra.up.rabbitmq import free_port
from tests.event_factories import price_alert
from tests.processes import running

ALERT = price_alert(message="AAPL is at 187.44")


def send(url: str, secret: str | None) -> Result:
    webhook = Webhook(Target(1, "hook", url, secret))
    try:
        return webhook.send(Notification(ALERT.id, ALERT.encode()))
    finally:
        webhook.close()


def test_a_message_is_printed_once_if_its_signature_is_right() -> None:
    secret, port = generate_secret(), free_port()
    command = ("python", "examples/webhook_receiver.py", str(port))
    with running(*command, environment={"WEBHOOK_SECRET": secret}) as receiver:
        receiver.wait_for("listening")
        url = f"http://127.0.0.1:{port}/hook"
        for wrong in (None, generate_secret()):
            answer = send(url, wrong)
            assert "401" in (answer.error or "")
        assert [send(url, secret), send(url, secret)] == [DELIVERED, DELIVERED]
        receiver.wait_for("PRICE_ALERT")
        assert receiver.stop() == 0
        assert receiver.output.count("PRICE_ALERT AAPL is at 187.44") == 1
        assert "Traceback" not in receiver.output
