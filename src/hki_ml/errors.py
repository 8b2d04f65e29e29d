"""Every error this library raises on purpose, as one tree.

::

    HkiError
    ├── SettingsError (ValueError)        a setting is missing or contradicts another
    ├── BadInput (ValueError)             a caller gave something that cannot be used
    │   ├── FileUnreadable                a file that is not what its name says
    │   ├── MappingError                  a mapping that does not fit its file or our fields
    │   ├── EventRejected                 an event that will not be accepted
    │   └── FactOutOfRange                one fact of a home, with a pointer to it
    ├── NotEnoughData (ValueError)        too little to answer honestly
    ├── NotFound (LookupError)            an id, a model or a version that is not there
    ├── Conflict (RuntimeError)           somebody else changed it first
    ├── GateRefused (RuntimeError)        a candidate that may not be promoted, with the reasons
    ├── ArtifactRefused (ValueError)      a model file that is not what its manifest says
    └── Unavailable (ConnectionError)     a store or server that does not answer

A message says what was expected, what came, and where. Doors turn these into HTTP problems or exit
codes; nothing below a door catches them to carry on.
"""

from __future__ import annotations


class HkiError(Exception):
    """The root: whoever catches this catches every error that we raise on purpose."""


class SettingsError(HkiError, ValueError):
    """A setting is missing, malformed or contradicts another."""


class BadInput(HkiError, ValueError):
    """A caller gave something that cannot be used."""


class FileUnreadable(BadInput):
    """A file is empty, truncated or not of the kind that its name says."""


class MappingError(BadInput):
    """A mapping names a column that is not there, a field that we do not know or a unit that does not fit."""


class EventRejected(BadInput):
    """An event is not accepted: unknown type or version, missing or impossible values.

    Parameters
    ----------
    reason
        A short stable code such as ``"price_not_positive"``, counted and shown by the importer.
    detail
        One sentence: what was expected and what came.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class FactOutOfRange(BadInput):
    """One fact of a home lies outside its range.

    Parameters
    ----------
    pointer
        JSON pointer of the fact in the request, e.g. ``"/facts/livingSqft"``.
    detail
        One sentence: the range and what came.
    """

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(f"{pointer}: {detail}")
        self.pointer = pointer
        self.detail = detail


class NotEnoughData(HkiError, ValueError):
    """There is too little data to answer honestly."""


class NotFound(HkiError, LookupError):
    """An entity, a model or a version that is not there."""


class Conflict(HkiError, RuntimeError):
    """Somebody else changed the thing first; read it again and retry."""


class GateRefused(HkiError, RuntimeError):
    """A candidate may not become champion.

    Parameters
    ----------
    reasons
        One sentence a failed check, each naming the check, the bound and the value.
    """

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


class ArtifactRefused(HkiError, ValueError):
    """A model file is missing, altered or of another version than its manifest says."""


class Unavailable(HkiError, ConnectionError):
    """A store or a server does not answer."""


class CardIncomplete(HkiError):
    """A room's own text lacks a part that every model card has."""
