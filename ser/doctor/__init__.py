"""What is wrong before a long sweep does: one file per thing that is looked at, each a generator of findings."""
