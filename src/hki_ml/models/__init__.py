"""The rooms: one package a model, none of which knows another."""
