"""Checks of inputs that several estimators share."""
