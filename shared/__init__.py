"""What the producer and the consumers have in common: the event, the settings, the messaging."""
