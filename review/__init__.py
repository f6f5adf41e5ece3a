"""What people say of the triage: the order in which they are asked, and what a verdict teaches."""
