"""Writes what a real server must serve: python -m tests.pipelines.serving.conformance FOLDER [FOLDER AT THE SERVER]."""

import sys
from pathlib import Path

from tests.pipelines.serving.conformance.served import write

folder = Path(sys.argv[1]).resolve()
there = sys.argv[2] if len(sys.argv) > 2 else str(folder)  # in a container
write(folder, there)
print(f"""start it:
  tensorflow_model_server --port=8500 --rest_api_port=8501 --model_config_file={there}/models.config \\
    --allow_version_labels_for_unavailable_models=true
ask it:
  CVAPPS_SERVING=127.0.0.1:8500:8501 CVAPPS_SERVING_BASE={there} \\
    python -m pytest tests/pipelines/serving/conformance""")
