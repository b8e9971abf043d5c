"""Trials of the harness itself: worlds whose truth is planted, and how often the harness finds it."""
