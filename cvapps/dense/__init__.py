"""Dense prediction: a class, a boundary, a depth or an object mask for every pixel; one file for each family."""
