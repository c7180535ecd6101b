"""Engines that tests start run the model in the package, whatever else was downloaded on this machine.

Property tests have no deadline: a busy machine is no fault of the code. Processes that tests start can be interrupted
also where the shell that started the tests ignores Ctrl-C for what runs in its background.
"""

import os
import signal

from hypothesis import settings

os.environ["DG_MODEL"] = "dg-default"
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
