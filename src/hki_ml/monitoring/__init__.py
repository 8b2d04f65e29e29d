"""What is watched once models serve: pure statistics, each with its n, its bound and an honest unknown."""
