"""Tiles of an image: margins, costs, and the proof on the model itself."""
