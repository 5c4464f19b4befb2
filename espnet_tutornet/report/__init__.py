"""The report page: what runs scored, how they were trained, what they say and when.

A section of the page is a file, which reads its numbers, draws them and says what they
are; ``recognition`` alone loads models.
"""
