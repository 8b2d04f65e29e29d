"""The serving doors: one BentoML service a model, and the gateway that joins them."""
