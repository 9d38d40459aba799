"""The parts that the producer and the consumers share: events, settings, messaging and storage."""
