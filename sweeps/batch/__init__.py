"""Many analyses listed in one file."""
