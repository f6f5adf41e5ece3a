"""Data, training, comparison and promotion of the models; the synthetic tickets that the shipped model learns from."""
