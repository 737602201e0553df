"""Writing: names of clusters that an endpoint writes, and the encoder checks.

`step.py` is the step, `question.py` what is asked and kept, `phrase.py` which answers are names,
`judge.py` whether a name fits its cluster.
"""
