"""What is ours kept in order, on an opened client: a run taken back, what others changed shown and repaired, lists taken over."""

from engine.upkeep.adopting import Adopted, GivenBack, adopt
from engine.upkeep.drifting import Drifted, drift
from engine.upkeep.runs import history
from engine.upkeep.undoing import TakenBack, undo

__all__ = ["Adopted", "Drifted", "GivenBack", "TakenBack", "adopt", "drift", "history", "undo"]
