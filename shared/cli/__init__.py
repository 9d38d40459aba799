"""Parts that every command line of Stockwire shares."""
