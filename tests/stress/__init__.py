"""What takes minutes and a whole machine: `make stress`."""
