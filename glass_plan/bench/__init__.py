"""Benchmarks of the sampling library: each a command that writes rows, a table and a figure."""
