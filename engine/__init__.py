"""Audiences computed, planned and carried: the verbs in flow order."""
