"""Where everything that a run writes lies: `var/` in the checkout, or the folder that CVAPPS_HOME names."""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


def home(*parts: str) -> Path:
    """A path below the home; its parent folder exists when this returns."""
    path = Path(os.environ.get("CVAPPS_HOME") or CHECKOUT / "var", *parts).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
