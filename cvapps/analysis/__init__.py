"""What a network is made of: its size, its cost, and surgery that keeps its function."""

from cvapps.analysis.profile import profile
from cvapps.analysis.surgery import fold_batch_norm

__all__ = ["fold_batch_norm", "profile"]
