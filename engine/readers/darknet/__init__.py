"""Read the configuration files of Darknet, .cfg."""
