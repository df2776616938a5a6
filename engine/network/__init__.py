"""What a network is: layers as axis maps, the spec that describes them, the checked network."""
