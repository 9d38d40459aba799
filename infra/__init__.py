"""What runs the rest: the command line, the processes of the stack, a private broker."""
