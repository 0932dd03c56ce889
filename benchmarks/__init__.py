"""Timed comparisons: each prints a table of ratios against a baseline of the same run."""
