"""Stand-ins that a person can start: a service desk, the resolution systems, fault injection, example tickets."""
