"""Object sizes that ship with the package."""
