"""Match: which levels of a network fit the sizes of objects, by entries across them or by the width of footprints."""
