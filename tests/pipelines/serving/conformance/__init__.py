"""Requests and answers of TensorFlow Serving's two APIs, for the development server and for a real one.

By default the development server is asked. `python -m tests.pipelines.serving.conformance FOLDER` writes the models
and the configuration that a real server must serve and prints the two commands: one starts it, one asks it.

Where the cases come from: g3doc/api_rest.md of tensorflow/serving and the comments of the published protos.
"""
