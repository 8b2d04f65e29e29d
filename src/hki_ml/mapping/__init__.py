"""A foreign file becomes our rows here: the mapping's format, its units, and what is refused and why."""

from hki_ml.mapping.apply import Mapped, apply_mapping
from hki_ml.mapping.format import Mapping, parse_mapping
from hki_ml.mapping.loading import load_mapping

__all__ = ["Mapped", "Mapping", "apply_mapping", "load_mapping", "parse_mapping"]
