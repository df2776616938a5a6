"""Chains drawn at random, many side by side: a chain in a lane of the processor's vectors."""
