"""Entry of every script: errors for people are caught here and nowhere else."""

import sys
from collections.abc import Callable
from typing import NoReturn

from rich.console import Console
from rich.text import Text

from ser.commands.exit_codes import REFUSED, STOPPED
from ser.console import make_console
from ser.errors import UserError


def run_command(command: Callable[[Console], int], *, stopped: str) -> NoReturn:
    """Run a command and exit with its code.

    Args:
        command: prints to the console that it is given, and returns an exit code.
        stopped: what Ctrl-C prints: what is kept, and how to continue.
    """
    console = make_console()
    try:
        code = command(console)
    except UserError as error:
        console.print(Text.assemble(("error: ", "bold red"), str(error)), soft_wrap=True)
        code = REFUSED
    except KeyboardInterrupt:
        console.print(stopped, markup=False, soft_wrap=True)
        code = STOPPED
    sys.exit(code)
