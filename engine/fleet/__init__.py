"""A folder of clients, each run in a process of its own: what a night's schedule calls for an agency.

One client's failure, memory and secrets stay in its own process. The parent reads no secret; it tells each process only the variables
that its config names.
"""

from engine.fleet.folder import Folder, Member, read_folder
from engine.fleet.night import Ended, Night, first_code, run_all

__all__ = ["Ended", "Folder", "Member", "Night", "first_code", "read_folder", "run_all"]
