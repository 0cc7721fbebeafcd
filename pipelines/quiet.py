"""TensorFlow started without the page of messages that its C++ side prints before any setting of ours reaches it."""

import logging
import os
import sys
import tempfile


def start_tensorflow() -> None:
    """Imports TensorFlow and finds its devices; what it prints meanwhile is shown only where that fails."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # errors are raised as well
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    sys.stderr.flush()
    screen = os.dup(2)
    with tempfile.TemporaryFile() as messages:
        os.dup2(messages.fileno(), 2)
        try:
            import tensorflow as tf

            tf.config.list_physical_devices()
        except BaseException:
            messages.seek(0)
            os.write(screen, messages.read())
            raise
        finally:
            os.dup2(screen, 2)
            os.close(screen)
    tf.get_logger().setLevel(logging.ERROR)  # it calls the session that TensorFlow Serving runs deprecated
