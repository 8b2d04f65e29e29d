"""What is a home worth, how sure are we, and compared with what?"""
