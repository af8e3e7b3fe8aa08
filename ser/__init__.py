"""Speech emotion recognition: which network, on which feature space, recognises it best."""

__version__ = "0.2.0.dev0"
