"""Measures of how good a model is: meaning, accepted range, source, example."""
