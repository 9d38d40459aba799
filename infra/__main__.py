"""`python -m infra`: the command line."""
