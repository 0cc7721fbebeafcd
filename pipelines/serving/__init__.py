"""A development stand-in for TensorFlow Serving: its REST paths, errors and gRPC services, over any SavedModel."""
