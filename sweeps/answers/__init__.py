"""Exact answers about all architectures of a space, without listing them."""
