"""Will a lead close, by when, and through which stage?"""
