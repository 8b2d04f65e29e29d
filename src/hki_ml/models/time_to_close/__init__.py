"""When will a lead close, and what would bring it forward?"""
