"""Classical object proposals: where something might be, from the picture alone and without a network."""
