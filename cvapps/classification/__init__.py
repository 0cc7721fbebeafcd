"""Classifiers: one file per family."""
