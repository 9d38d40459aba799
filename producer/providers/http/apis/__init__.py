"""The APIs of live providers: which requests to make, and what their answers mean. Nothing here does I/O."""
