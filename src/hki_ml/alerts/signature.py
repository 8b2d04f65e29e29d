"""The signature of Standard Webhooks: HMAC-SHA256 over id, time and body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from hki_ml.errors import SettingsError

PREFIX = "whsec_"
TOLERANCE_SECONDS = 300  # an older or newer message may be one that somebody recorded


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of ``webhook-signature``: ``v1,`` and base64.

    The signed text is ``id.timestamp.body``; the key is what stands in base64 after ``whsec_``
    (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).

    Raises
    ------
    SettingsError
        If the secret is not ``whsec_`` and base64.

    Examples
    --------
    >>> signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek",
    ...           1614265330, b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    made = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(made).decode()}"


def is_signed(secret: str, headers: dict[str, str], body: bytes, *, now: float) -> bool:
    """Return whether a message was signed with the secret, lately: what a receiver checks.

    Several signatures may stand in the header, parted by spaces, while a secret is being changed.
    """
    timestamp = headers.get("webhook-timestamp", "")
    if not timestamp.isdecimal() or abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    ours = signature(secret, headers.get("webhook-id", ""), int(timestamp), body)
    given = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(ours, each) for each in given)


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise SettingsError(
            "HKI_ALERTS__WEBHOOK_SECRET: expected whsec_ and base64, got something else"
        ) from error
