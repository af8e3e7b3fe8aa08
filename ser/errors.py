"""The one error for people: what is wrong, and what to do about it."""


class UserError(Exception):
    """An error meant for the person who runs a command: one line, shown without a traceback.

    A subclass exists only where code treats one kind of error in its own way.

    Args:
        problem: the rule and the value that breaks it, or what failed and why; without a full stop.
        remedy: what to do about it; without a full stop, '' where the problem says it.

    Example:
        >>> str(UserError("dropout must lie in [0, 0.6], got 1.5", "give a value of that range"))
        'dropout must lie in [0, 0.6], got 1.5: give a value of that range'
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem}: {self.remedy}" if self.remedy else self.problem
