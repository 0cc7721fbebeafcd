"""What must not be written down: passwords and tokens, in addresses or as the environment's own."""

import os
import re

SECRET_NAMES = re.compile(r"PASSW|SECRET|TOKEN|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY", re.IGNORECASE)
SHORTEST = 6  # characters; a shorter value would be found in words that are none of it
HIDDEN = "***"
_USER_IN_ADDRESS = re.compile(r"\b([A-Za-z][\w+.-]*://)[^\s/\"'<>]+@")
_SECRET_IN_QUERY = re.compile(
    r"([?&][\w.-]*(?:passw|secret|token|signature|sig|key)[\w.-]*=)[^&\s\"'<>]+", re.IGNORECASE
)


def redacted(text: str) -> str:
    """The text without the users of addresses, their queries' secrets, and the environment's passwords and tokens.

    `https://user:password@host/x` becomes `https://***@host/x`. A value of the environment is hidden wherever it
    stands, if its variable is called so (SECRET_NAMES) and it has at least six characters.
    """
    text = _USER_IN_ADDRESS.sub(rf"\1{HIDDEN}@", text)
    text = _SECRET_IN_QUERY.sub(rf"\1{HIDDEN}", text)
    secrets = {value for name, value in os.environ.items() if SECRET_NAMES.search(name) and len(value) >= SHORTEST}
    for value in sorted(secrets, key=len, reverse=True):  # one may be the beginning of another
        text = text.replace(value, HIDDEN)
    return text
