"""What to do, given what the models say: plain arithmetic over their answers, nothing learned."""
