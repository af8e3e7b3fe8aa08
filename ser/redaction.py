"""What of an address, or of a command line with addresses, may be shown."""

import re

# Up to the last @ before a blank: drivers take passwords with an unquoted / or @. A port and a path are none.
_OF_USER = re.compile(r"(://[^:/@\s]*):(?!\d{1,5}/)\S*@")
_IN_QUERY = re.compile(r"([?&](?:password|passwd|pwd)=)[^&\s'\"]+", re.IGNORECASE)


def redact(text: str) -> str:
    """The text with *** for each password of an address in it.

    Example:
        >>> shown("--tracking-uri postgresql://ser:s3cret@host/runs")
        '--tracking-uri postgresql://ser:***@host/runs'
    """
    return _IN_QUERY.sub(r"\1***", _OF_USER.sub(r"\1:***@", text))
