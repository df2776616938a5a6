"""The command `rfscale`."""
