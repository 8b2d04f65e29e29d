"""What no model may learn from: attributes that fair-housing and lending law protect, and their tell-tales.

Names are matched by their words, so that ``applicant_sex`` and ``sexCode`` are found and ``essex`` is
not. Values are matched whole: a column of another name that says ``Female`` is the same column.
Source of the attributes: US Fair Housing Act (42 U.S.C. 3604) and Equal Credit Opportunity Act
(15 U.S.C. 1691): race, color, religion, sex, familial and marital status, national origin,
disability, age, receipt of public assistance.
"""

from __future__ import annotations

import re

WORDS: dict[str, tuple[str, ...]] = {
    "race": ("race", "racial", "afam", "hispan", "hispanic", "ethnicity", "ethnic", "minority"),
    "sex": ("sex", "gender", "male", "female"),
    "age": ("age", "birth", "birthday", "birthdate", "dob", "senior", "elderly"),
    "religion": ("religion", "religious", "church"),
    "national origin": ("nationality", "citizenship", "ancestry", "birthplace", "language"),
    "family": ("marital", "married", "divorced", "children", "pregnant", "familial", "dependents"),
    "disability": ("disability", "disabled", "handicap", "handicapped"),
    "public assistance": ("welfare", "medicaid"),
}
"""Attribute → words that name it, in lower case."""

PHRASES: dict[str, tuple[str, ...]] = {
    "national origin": ("national_origin", "country_of_birth"),
    "family": ("family_status", "household_size", "number_of_children"),
}

VALUES: dict[str, tuple[str, ...]] = {
    "race": (
        "white", "black", "asian", "hispanic", "latino", "african american", "hispanic or latino",
        "not hispanic or latino", "black or african american", "native american",
        "american indian or alaska native", "native hawaiian or other pacific islander",
    ),
    "sex": ("male", "female", "man", "woman", "sex not available"),
    "religion": ("christian", "catholic", "protestant", "jewish", "muslim", "hindu", "buddhist"),
    "family": ("married", "divorced", "widowed", "single parent"),
    "disability": ("disabled", "handicapped"),
}  # fmt: skip
"""Attribute → values that say it, in lower case."""

# Things have an age too: these words make a name one of a home or of the lead itself.
OF_THINGS = frozenset({
    "home", "house", "building", "roof", "property", "lead", "listing", "effective", "eff",
    "account", "days", "months",
})  # fmt: skip
# Whose white is paint.
COLORS = frozenset({"color", "colour", "paint"})

_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


def why_protected(name: str, value: object = None) -> str | None:
    """Return why a fact may not be learned from, ``None`` if it may.

    Examples
    --------
    >>> why_protected("applicantSex")
    "'applicantSex' names a protected attribute (sex)"
    >>> why_protected("x17", "Female")
    "'x17' says 'Female', a protected attribute (sex)"
    >>> why_protected("home_age_years", 12.0), why_protected("essex_county", "yes")
    (None, None)
    """
    attribute = named_attribute(name)
    if attribute is not None:
        return f"{name!r} names a protected attribute ({attribute})"
    if isinstance(value, str) and not COLORS.intersection(_words(name)):
        said = value.strip().lower()
        for attribute, values in VALUES.items():
            if said in values:
                return f"{name!r} says {value!r}, a protected attribute ({attribute})"
    return None


def named_attribute(name: str) -> str | None:
    """Return the protected attribute that a column's name speaks of, if any.

    Examples
    --------
    >>> named_attribute("tract_minority_population_percent"), named_attribute("message_count")
    ('race', None)
    """
    words = _words(name)
    joined = "_".join(words)
    for attribute, phrases in PHRASES.items():
        if any(phrase in joined for phrase in phrases):
            return attribute
    for attribute, known in WORDS.items():
        if any(word in known for word in words):
            return None if attribute == "age" and OF_THINGS.intersection(words) else attribute
    return None


def _words(name: str) -> list[str]:
    return [part.lower() for part in _PARTS.findall(name)]
