"""What a network is made of: its size, its cost, and surgery that keeps its function."""
