"""Engines that tests start run the model in the package, whatever else was downloaded on this machine.

Property tests have no deadline: a busy machine is no fault of the code.
"""

import os

from hypothesis import settings

os.environ["DG_MODEL"] = "dg-default"
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
