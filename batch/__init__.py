"""The commands, the settings, the wiring and the run."""
