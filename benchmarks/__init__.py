"""Comparisons and timings, each re-runnable by one command; no part of the installed package."""
