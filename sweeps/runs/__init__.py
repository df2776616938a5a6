"""The figures of every architecture of a space, in memory or in a store."""
