"""Detection: boxes around objects, from class-free proposals to detectors."""
