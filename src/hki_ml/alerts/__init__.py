"""What somebody has to know: said once, signed, kept until it has arrived."""

from hki_ml.alerts.alert import KINDS, Alert, Kind, alert
from hki_ml.alerts.sending import Sent, deliver, recent, send

__all__ = ["KINDS", "Alert", "Kind", "Sent", "alert", "deliver", "recent", "send"]
