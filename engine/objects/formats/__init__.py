"""One file for each kind of label file."""
