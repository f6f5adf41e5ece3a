"""What the language models read: versioned templates, rendered within a token budget. A released template is never edited."""
