"""Data, training, tracking, export and serving of cvapps models: `python -m pipelines --help`."""
