"""The command line, the processes that `stockwire up` starts, and a private broker."""
