"""`stockwire up`: the whole pipeline as one command."""
