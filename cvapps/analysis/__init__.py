"""What a network is made of: its size, its cost, what it sees, and surgery that keeps its function."""

from cvapps.analysis.profile import profile
from cvapps.analysis.receptive_field import receptive_field
from cvapps.analysis.surgery import fold_batch_norm

__all__ = ["fold_batch_norm", "profile", "receptive_field"]
