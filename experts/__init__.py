"""What the past says without a language model, the critic over it, and `fit`, which makes all of them from a knowledge base."""
