"""The consumers: independent processes, each with its own queue of events."""
