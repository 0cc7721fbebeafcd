"""From named sources to batches: sources, one decoder, augmentation, and one file per kind of task."""
