"""Stockwire side by side with what else there is: run by hand, in no test."""
