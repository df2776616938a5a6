"""What the explorer page draws: one network as plain lists and numbers, with footprints as lists of intervals."""
