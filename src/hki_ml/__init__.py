"""Events become features, features become models, models answer, answers come back as events."""

__version__ = "0.1.0"
