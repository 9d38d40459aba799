"""The APIs of live providers, one per module: the requests to send and the meaning of the answers. No I/O."""
