"""Pure tensor functions without weights: `op(tensor, ...) -> tensor`, on any backend."""
