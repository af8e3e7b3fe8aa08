"""A page for people on this machine: a clip in, what the served model makes of it out. No MLflow here: it is served."""
