"""The commands, the settings, the wiring and the run."""

__version__ = "0.1.0"
