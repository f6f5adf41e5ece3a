"""Measurements, each of them a ratio within one run, so that they mean the same on another machine."""
