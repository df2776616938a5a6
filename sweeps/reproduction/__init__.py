"""The main job: the numbers and figures of the article beside the exact ones."""
