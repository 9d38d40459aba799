"""Benchmarks of Stockwire beside other programs, run by hand and not by a test."""
