"""User of the running process."""

import getpass
import os


def user_name() -> str:
    """Name of the user, without blanks; 'uid1000' of one without a name, as containers may have."""
    try:
        return "_".join(getpass.getuser().split())
    except (KeyError, OSError):
        return f"uid{os.getuid()}"
