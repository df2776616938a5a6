"""Sizes of annotated objects: read from label files, resized as the training does, counted in a histogram."""
