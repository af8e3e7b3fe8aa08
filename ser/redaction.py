"""Passwords masked in addresses, and in command lines that contain addresses."""

import re

# Up to the last @ before a blank, because database drivers accept passwords with an unquoted / or @. A port with a
# path after it is not a password.
_IN_USER_INFO = re.compile(r"(://[^:/@\s]*):(?!\d{1,5}/)\S*@")
_IN_QUERY = re.compile(r"([?&](?:password|passwd|pwd)=)[^&\s'\"]+", re.IGNORECASE)


def redact(text: str) -> str:
    """Replace each password of an address in a text by ***.

    Example:
        >>> redact("--tracking-uri postgresql://ser:s3cret@host/runs")
        '--tracking-uri postgresql://ser:***@host/runs'
    """
    return _IN_QUERY.sub(r"\1***", _IN_USER_INFO.sub(r"\1:***@", text))
