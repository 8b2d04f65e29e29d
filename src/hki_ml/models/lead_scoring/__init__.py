"""Which leads deserve the next hour, why, and what to do about them?"""
