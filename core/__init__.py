"""The nouns of triage and the algorithm over them: no machine-learning framework, no I/O, no logging."""
