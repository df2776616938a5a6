"""One public question for each file. The functions are exported by `rfscale`, not here."""
