"""Data-parallel training of a small network, with the sum of gradients left to an aggregator."""
