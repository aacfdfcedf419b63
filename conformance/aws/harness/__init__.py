"""What the suites share: the deployment under test, calls by hand, and the record of what was shown."""
