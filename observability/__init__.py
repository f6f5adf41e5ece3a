"""What happened, kept: the append-only journal, its records and their schema, and the logs."""
