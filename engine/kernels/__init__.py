"""Numba kernels: numpy arrays in, numpy arrays out; nothing here knows a network.

numba's cache watches only a kernel's own file, so a kernel and every scalar it calls stand in one file.
"""
