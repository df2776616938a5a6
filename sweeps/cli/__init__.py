"""The ways in: the command `rfscale`, and in `face` what `import rfscale` gives."""
