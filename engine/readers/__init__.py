"""Readers: files and models in, networks out."""
