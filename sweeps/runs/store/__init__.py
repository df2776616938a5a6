"""Stores of figures on disk: Zarr, resumable, filled by one process or by Dask workers."""
