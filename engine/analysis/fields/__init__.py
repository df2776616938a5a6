"""Fields beside the exact footprints: one entry, and layer by layer."""
