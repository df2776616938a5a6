"""What a module is called with."""
