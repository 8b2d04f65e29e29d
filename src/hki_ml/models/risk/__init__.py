"""What can go wrong with a deal, and what does it cost?"""
