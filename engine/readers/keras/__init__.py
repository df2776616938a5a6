"""Read Keras models from their configuration; nothing of theirs is run."""
