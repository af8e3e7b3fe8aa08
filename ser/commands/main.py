"""Entry point of every script: the only place where a `UserError` ends a command."""

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
        command: takes the console to print to, and returns an exit code.
        stopped: message after Ctrl-C: what is kept, and how to continue.
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
