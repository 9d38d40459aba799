"""Delivery of alerts to targets: webhooks, and everything that apprise knows."""
