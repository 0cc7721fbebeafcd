"""One file per run: `<model>_<data>.py`, each with a `RECIPE`."""
