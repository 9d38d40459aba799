"""The command `stockwire up`, which runs the whole pipeline."""
