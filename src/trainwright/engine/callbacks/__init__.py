"""Optional behaviour at named moments of a run."""

from trainwright.engine.callbacks.base import Callback
from trainwright.engine.callbacks.early_stopping import EarlyStop

__all__ = ["Callback", "EarlyStop"]
