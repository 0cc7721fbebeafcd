"""What a network is made of: its cost, what it sees, how gradients flow, and surgery that keeps its function."""

from cvapps.analysis.checkerboard import checkerboard
from cvapps.analysis.gradient_flow import gradient_flow
from cvapps.analysis.profile import profile
from cvapps.analysis.receptive_field import receptive_field
from cvapps.analysis.surgery import fold_batch_norm, fully_convolutional, transplant
from cvapps.analysis.tradeoff import tradeoff
from cvapps.analysis.weight_scaling import weight_scaling

__all__ = [
    "checkerboard",
    "fold_batch_norm",
    "fully_convolutional",
    "gradient_flow",
    "profile",
    "receptive_field",
    "tradeoff",
    "transplant",
    "weight_scaling",
]
