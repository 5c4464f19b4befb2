"""The report page: what runs scored, how they were trained, what they say and when.

Computation (``points``, ``curves``, ``confusions``, ``spikes``) knows neither pictures
nor the page; ``recognition`` alone loads models.
"""
