"""Investor matching: who should see this deal?"""
