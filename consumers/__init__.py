"""Independent processes, each with a queue of its own, that do something about prices as they pass."""
