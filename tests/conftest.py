"""Engines that tests start run the model in the package, whatever else was downloaded on this machine."""

import os

os.environ["DG_MODEL"] = "dg-default"
