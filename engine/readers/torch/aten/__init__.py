"""Handlers of ATen operators, by what they do."""
