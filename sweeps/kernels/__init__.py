"""Compiled loops over sets of architectures: numpy in, numpy out."""
