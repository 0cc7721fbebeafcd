"""The data pipeline: decoding, sources, augmentation, batches."""
